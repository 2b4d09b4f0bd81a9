"""Words and glyphs of states: status is always a glyph and a word, never colour alone."""

from __future__ import annotations

from batch_manager.documents import Kind
from batch_manager.events import BatchState, RunState
from batch_manager.store.items import Status

STATUS: dict[Status, tuple[str, str]] = {
    "pending": ("○", "pending"),
    "indexed": ("✓", "indexed"),
    "failed": ("■", "failed"),
    "skipped": ("→", "skipped"),
}

BATCH: dict[BatchState, tuple[str, str]] = {
    "waiting": ("○", "waiting"),
    "sending": ("▶", "sending"),
    "backing off": ("◐", "backing off"),
    "splitting": ("◐", "splitting"),
    "answered": ("●", "answered"),
    "indexed": ("✓", "indexed"),
    "failed": ("■", "failed"),
    "stopped": ("‖", "stopped"),
}

RUN: dict[RunState, tuple[str, str]] = {
    "idle": ("○", "idle"),
    "starting": ("▶", "starting"),
    "running": ("▶", "running"),
    "paused": ("‖", "paused"),
    "stopping": ("‖", "stopping"),
    "done": ("✓", "done"),
    "stopped": ("■", "stopped"),
    "interrupted": ("‖", "interrupted"),
}

ALL_FAILED = ("■", "all failed")
"""What a run says that came to its end with nothing indexed."""

KIND: dict[Kind, str] = {"table": "table", "relationship": "relation"}

FINDING = {
    "empty_document": "nothing but the name",
    "invalid_unicode": "half a character",
    "name_again": "the name said again",
    "duplicate": "same text as another",
    "same_words": "the same words under another name",
    "mojibake": "mojibake",
    "parts": "over-long: several parts",
    "stranger": "in no scanned database",
}
"""Findings of the linter, by code."""

SORT = {"added": "as added", "name": "by name", "tokens": "by tokens", "status": "by status"}
