"""Exports for the regulator: one folder per venue day, from the journal alone, and checks of such a folder.

``day`` reads the journal once and hands every row to the tables; nothing else in here opens a journal. Files, fields
and codes: docs/EXPORTS.md. Nothing but the command line of replay imports it.
"""
