"""Incidents of the past, played again: under the rule as it was, and on this venue as it is.

A scenario is a file (``files/*.yaml``: facts, sources, the market, expected figures) and a play (``plays``) that puts
the file's people and prices on a ``stage``. Nothing of the venue imports it.
"""
