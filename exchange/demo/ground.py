"""Where a run that starts a journal of its own puts it."""

import shutil
from pathlib import Path


class Taken(Exception):
    """There is a journal already where a new one was to go."""


def fresh(journal: Path | None, own: Path) -> Path:
    """A free place, its folder made. The place that is the command's own is emptied; others must be free.

    Raises Taken.
    """
    if journal is None or journal == own:
        shutil.rmtree(own.parent, ignore_errors=True)
        journal = own
    elif journal.exists():
        raise Taken(f"{journal} exists; this starts a journal of its own")
    journal.parent.mkdir(parents=True, exist_ok=True)
    return journal
