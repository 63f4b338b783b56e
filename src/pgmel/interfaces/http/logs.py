"""The server's log: one JSON object a line, without anything that users send."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, final

import msgspec

__all__ = ["JsonLines", "log_event", "log_fault", "set_up_logs"]

_logger = logging.getLogger("pgmel.serve")


@final
class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        values: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        event = getattr(record, "event", None)
        values |= event if isinstance(event, dict) else {"event": "message", "logger": record.name, "message": record.getMessage()}
        return msgspec.json.encode(values).decode()


def set_up_logs() -> None:
    """Send the messages of the server and of what it runs on to standard error, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in {"pgmel": logging.INFO, "uvicorn": logging.WARNING}.items():
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
    # The encoders report unusable pictures with their paths; each link says so itself, to the one who asked.
    logging.getLogger("pgmel.features").setLevel(logging.ERROR)


def log_event(event: str, level: int = logging.INFO, **values: Any) -> None:
    """Write an event with its values."""
    _logger.log(level, event, extra={"event": {"event": event, **values}})


def log_fault(error: Exception, request_id: str) -> None:
    """Write an unexpected error: its type and where it was raised, not its message, which may quote what the user sent."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log_event("fault", logging.ERROR, request_id=request_id, type=type(error).__name__, frames=frames)
