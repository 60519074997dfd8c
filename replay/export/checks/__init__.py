"""What an exported day is held to: files, fields, rows among themselves, links between tables, and the journal.

``validate`` owns the verdict; each other module looks at one thing and finds. They share ``findings`` and read rows,
never the state of a machine: what they know of orders they know from the rows. ``replayed`` has rows of the journal.
"""
