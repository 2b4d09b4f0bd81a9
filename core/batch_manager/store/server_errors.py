"""What a PostgreSQL server refuses, as errors that a person can act on. The driver is never imported here."""

from __future__ import annotations

from batch_manager.errors import StoreError

LOST = ("08", "57P01", "57P02", "57P03")
"""Beginnings of SQLSTATE: the connection is gone, or the server ended it (PostgreSQL's appendix of error codes)."""

GO_ON = "Nothing that was paid for is lost."


def is_servers(error: BaseException) -> bool:
    """Whether it is an error of the driver of PostgreSQL."""
    return type(error).__module__.partition(".")[0] == "psycopg"


def servers_own(error: BaseException) -> BaseException | None:
    """The driver's error, alone or inside another; None where it is of another engine."""
    for one in (error, getattr(error, "orig", None)):  # where peewee keeps it
        if isinstance(one, BaseException) and is_servers(one):
            return one
    return None


def server_error(error: BaseException) -> StoreError:
    """The error as a StoreError; the server's words are in it, on one line."""
    state: str = getattr(error, "sqlstate", None) or ""
    words = "; ".join(line.strip() for line in str(error).splitlines()[:1])[:300].rstrip(".")
    store = "The documentation store"
    if state.startswith(LOST) or (not state and type(error).__name__ in ("OperationalError", "InterfaceError")):
        return StoreError(
            f"The connection to the documentation store was lost ({words}).",
            next_step=f"See whether the server is up, then go on. {GO_ON}",
            code="store_lost",
        )
    if state in ("22021", "22P05") or "NUL (0x00)" in words:
        return StoreError(
            f"{store} is on PostgreSQL, which can't keep the character NUL in a text ({words}).",
            next_step="Take it out of the text where that comes from, then try again.",
            code="store_nul",
        )
    if state in ("55P03", "40P01", "57014"):
        return StoreError(
            f"{store} is locked by another program.", next_step="Close that program, then try again.", code="store_busy"
        )
    if state == "25006":
        return StoreError(
            f"{store} can't be written: it, or this view of it, is read-only ({words}).",
            next_step="Name a server that takes writes, not a replica.",
            code="store_read_only",
        )
    if state == "42501":
        return StoreError(
            f"{store} can't be used by this user ({words}).",
            next_step="Give it the rights that the page on PostgreSQL lists.",
            code="store_rights",
        )
    if state.startswith("53"):
        full = state == "53100"
        return StoreError(
            f"{store} has no room: {'the disk is full' if full else 'the server has no more of something'} ({words}).",
            next_step=f"{'Free some space' if full else 'Give the server more of it'}, then go on. {GO_ON}",
            code="store_full",
        )
    if state in ("42P01", "42703", "42883", "XX001", "XX002"):
        return StoreError(
            f"{store} is damaged or not a store ({words}).",
            next_step="Put back a copy of it, or name another with DOCUMENTATION_STORE_URL.",
            code="store_damaged",
        )
    return StoreError(f"{store} can't be used: {words}.", next_step="See the log for more.", code="store_failed")
