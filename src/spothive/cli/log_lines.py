"""Where log lines go while a command runs: to standard error, through structlog, and never a secret among them."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from spothive.cli.output import shortened, visible
from spothive.errors import SpothiveError


def configure(*, verbose: bool) -> None:
    """Send spothive's log lines of ``SPOTHIVE_LOG_LEVEL`` and above to standard error; from INFO on when ``verbose``.

    Other packages are heard from WARNING on: at DEBUG SQLAlchemy would print the rows it reads.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, _Lines) for handler in root.handlers):
        root.addHandler(_Lines())
    root.setLevel(logging.WARNING)
    logging.getLogger("spothive").setLevel(min(_level(), logging.INFO) if verbose else _level())
    # SQLAlchemy's echo, when it finds no handler, adds one of its own that writes among our output.
    logging.getLogger("sqlalchemy.engine.Engine").handlers = [logging.NullHandler()]


def _level() -> int:
    from spothive.settings import get_settings

    try:
        return logging.getLevelNamesMapping()[get_settings().log_level.upper()]
    except SpothiveError:
        return logging.WARNING  # the command that needs the settings says what is wrong with them


class _Lines(logging.Handler):
    """One line for each record on what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(_formatter().format(record), file=sys.stderr)  # noqa: T201 - this is the log


@lru_cache(maxsize=1)
def _formatter() -> logging.Formatter:
    import structlog  # most commands log nothing and need not wait for it

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=["tenant_id"]),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _on_one_line,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "logger", "event"]),
        ],
    )


def _on_one_line(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {key: shortened(visible(str(value))) for key, value in event.items()}
