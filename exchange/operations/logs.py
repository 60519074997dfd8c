"""Logs: one line for each event, as JSON or for a terminal, to stderr or to a file that may be moved away.

Owns their form. Everything goes through the standard library's logging, libraries' own words included, so that levels
are set by module and changed while running, and so that a disk that takes no more log stops nothing else. Tracebacks
never show local variables: keys lie there. Imports settings, structlog.
"""

import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Any, Final

import structlog

from exchange.operations.settings import Level, LogSection

LOUDER: Final = {"warning": "info", "error": "info", "critical": "info"}

_STAMPS: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,  # which connection and request it was, where it was one
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def begin(section: LogSection, *, verbose: bool = False) -> None:
    """Log as the section says; ``verbose`` lowers the level to info. Raises OSError when the file cannot be opened."""
    handler = (
        logging.StreamHandler(sys.stderr) if section.file is None else WatchedFileHandler(section.file, delay=False)
    )
    handler.setFormatter(_formatter(section))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    set_levels(section, verbose=verbose)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_STAMPS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Not kept by modules that have logged already: what is configured later counts for them too.
        cache_logger_on_first_use=False,
    )


def set_levels(section: LogSection, *, verbose: bool = False) -> None:
    """Take up the levels of a section, also in a running venue; modules it does not name have the common one."""
    level: Level | str = LOUDER.get(section.level, section.level) if verbose else section.level
    logging.getLogger().setLevel(level.upper())
    for name in [
        name for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    ]:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, own in section.levels.items():
        logging.getLogger(name).setLevel(own.upper())


def _formatter(section: LogSection) -> logging.Formatter:
    is_terminal = section.file is None and sys.stderr.isatty()
    if section.format == "console" or (section.format == "auto" and is_terminal):
        console = structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)
        return _through([console])
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    return _through([tracebacks, structlog.processors.JSONRenderer(default=str)])


def _through(last: list[Any]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_STAMPS,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
