"""Decide: the machine, the session around it, and the shell that gives both clocks, sockets, disks and chains."""
