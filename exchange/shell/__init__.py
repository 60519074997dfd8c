"""The imperative shell: clocks, sockets, disks and chains around the pure machine. May import everything below it."""
