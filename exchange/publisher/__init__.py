"""What follows from each record for those who watch: notifications, and the few facts a session looks up.

Pure: it reads the state right after ``apply`` and keeps only what can be rebuilt from it. Nothing here sends; the shell
releases what it makes once the record is durable. Imports core, dialect, signing.
"""

from exchange.publisher.directory import Directory
from exchange.publisher.notes import BookDelta, BookSnapshot, Note, Notification, Revoked
from exchange.publisher.publisher import Publisher, Venue

__all__ = ["BookDelta", "BookSnapshot", "Directory", "Note", "Notification", "Publisher", "Revoked", "Venue"]
