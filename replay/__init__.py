"""Offline audit: what happened, and is it true.

Reads a journal, re-executes it through the machine and compares; never writes, and nothing imports it. ``verify`` needs
the standard library, msgspec and the journal package only, so that a stranger can run it on a bare interpreter; what
speaks to chains, checks signatures or draws tables is imported when asked for.
"""
