"""The forensic report: one page about a journal, for people who have neither the journal nor this package."""
