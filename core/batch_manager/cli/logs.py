"""The log: one rotating file in the home, its lines free of secrets and of anything that steers a terminal."""

from __future__ import annotations

import logging
import os
import re
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from batch_manager.errors import SettingError

if TYPE_CHECKING:
    from batch_manager.settings import Settings

MAX_BYTES = 5_000_000
KEPT_FILES = 3

CHATTY = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "chromadb", "asyncio", "sqlalchemy", "peewee")
"""Loggers of others that speak of every request; below DEBUG only their warnings are kept."""

LIKELY_SECRETS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}"  # an OpenAI key, whoever printed it
    r"|(?i:bearer)\s+[^\s'\"]+"
    r"|(?<=://)[^\s/@'\"]+(?=@)"  # user and password of a URL
)

_secrets: list[str] = []


def log_to_file(settings: Settings) -> None:
    """Write the log to the settings' file.

    Raises:
        SettingError: The file can't be written.
    """
    _know_secrets(settings)
    path = settings.log_path
    # A link in the home isn't ours, and leads who knows where; a LOG_FILE may well be one.
    _PrivateFile.flags = 0 if settings.log_file else getattr(os, "O_NOFOLLOW", 0)
    try:
        handler = _PrivateFile(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingError(
            f"The log file {str(path)!r} can't be written: {error.strerror or error}.",
            next_step="Make it writable, or set LOG_FILE to another.",
            code="log_file",
        ) from None
    _begin(handler, settings)


def log_to_stderr(settings: Settings) -> None:
    """Where nothing may be written, warnings go to stderr, and nothing else does unless LOG_LEVEL is DEBUG."""
    _know_secrets(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.DEBUG if settings.log_level == "DEBUG" else logging.WARNING)
    _begin(handler, settings)


def log_file() -> Path | None:
    """The file that the log is being written to, if there is one."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one, _PrivateFile)]
    return Path(handlers[0].baseFilename) if handlers else None


def redacted(text: str) -> str:
    """The text without keys and passwords: those of the settings, and whatever looks like one."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    return LIKELY_SECRETS.sub("***", text)


def _know_secrets(settings: Settings) -> None:
    found = {settings.api_key or ""}
    for url in (settings.database_url, settings.store_url, settings.base_url, settings.chroma_url):
        found.update(_passwords(url))
    # Longest first, since one secret may be a part of another.
    _secrets[:] = sorted(found - {""}, key=len, reverse=True)


def _passwords(url: str | None) -> set[str]:
    try:
        password = urlsplit(url or "").password or ""
    except ValueError:
        return set()
    plain = unquote(password)
    # A short one would turn half of the log into asterisks; in a URL it is found by its place.
    return {one for one in (password, plain, quote(plain, safe="")) if len(one) >= 4}


def _begin(handler: logging.Handler, settings: Settings) -> None:
    to_file = isinstance(handler, _PrivateFile)
    style = "%(asctime)s %(levelname)s %(name)s: %(message)s" if to_file else "%(levelname)s: %(message)s"
    handler.setFormatter(_Line(style, tracebacks=to_file or settings.log_level == "DEBUG"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    logging.captureWarnings(True)
    quiet = logging.NOTSET if settings.log_level == "DEBUG" else max(logging.WARNING, root.level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(quiet)


class _Line(logging.Formatter):
    """Redacts the whole record, traceback included, and keeps a message on its line."""

    def __init__(self, style: str, *, tracebacks: bool) -> None:
        super().__init__(style)
        self._tracebacks = tracebacks

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _on_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return super().formatException(ei) if self._tracebacks else ""

    def format(self, record: logging.LogRecord) -> str:
        lines = redacted(super().format(record)).rstrip().split("\n")
        return "\n".join(_on_one_line(line) for line in lines)


def _on_one_line(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class _PrivateFile(RotatingFileHandler):
    """Readable by its owner only, from the first byte on."""

    flags = 0

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | self.flags, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not end a run, nor fill the screen with tracebacks of the log's own."""
