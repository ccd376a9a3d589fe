"""The logger of the room, and the one filter that keeps tokens out of every log record and message."""

from __future__ import annotations

import logging
import re
from typing import Final

__all__ = ["RedactTokens", "guard_logs", "hide", "logger"]

logger: Final = logging.getLogger("acomps.transport")
logger.addHandler(logging.NullHandler())

#: Loggers of the libraries below us that write headers at DEBUG.
_LIBRARY_LOGGERS: Final = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")

#: A token runs to the end of its quotes or line, because names within it may hold spaces.
_TOKEN: Final = re.compile(r"\d+,(?:Auth|System),[^\"'<>\r\n]*")
_HEADER: Final = re.compile(r"(?i)((?:x-comps-token|authorization)['\"]?\s*[:=,]\s*b?['\"]?)[^\"'<>\r\n]+")
_SHORTEST_SECRET: Final = 4


def hide(text: str, *secrets: str) -> str:
    """`text` with every token, and each of `secrets` that is not too short to tell, replaced."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[hidden]")
    return _TOKEN.sub("[token hidden]", _HEADER.sub(r"\1[hidden]", text))


class RedactTokens(logging.Filter):
    """Replaces tokens in a record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its tokens hidden."""
        text = record.getMessage()
        clean = hide(text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


_filter: Final = RedactTokens()
logger.addFilter(_filter)


def guard_logs() -> None:
    """Put the filter on the loggers of the HTTP libraries too; more than once does no harm."""
    for name in _LIBRARY_LOGGERS:
        logging.getLogger(name).addFilter(_filter)
