"""The commands of ``verbatim-replay``, a module for each family; each adds its arguments and runs one command.

All of them print one JSON object with ``--json`` and sentences without it, and end with the exit codes of ``common``.
"""
