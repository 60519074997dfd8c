"""The pure machine: what the exchange decides, and nothing else.

State is a function of the journal: ``state_n = fold(apply, genesis, commands_1..n)``. Modules in this package use the
standard library and msgspec only; no input or output, clock, chance, float, set or hash order (tests/test_tidy.py and
the import-linter contracts hold that line). Each feature owns its own small data; only ``state``, ``invariants`` and
``machine`` see the whole.
"""
