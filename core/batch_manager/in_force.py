"""The settings in force, each with its value as it may be shown, and where it came from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from batch_manager.known_settings import KNOWN_SETTINGS, KnownSetting
from batch_manager.settings import Settings

HIDDEN = "set, hidden"
UNSET = "not set"


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting as it holds now.

    Attributes:
        name: The variable's name.
        value: What holds, harmless to secrets: of a key only that it is set, of a URL neither user, password nor query.
        origin: `flag`, `environment`, `.env`, `default`; `--demo` or `--rehearse` where those brought it.
        meaning: A few words.
        allowed: What a value must be.
        places: Where it is changed, the one that wins first.
    """

    name: str
    value: str
    origin: str
    meaning: str
    allowed: str
    places: tuple[str, ...]

    @property
    def chosen(self) -> bool:
        """Somebody chose it: it isn't the default."""
        return self.origin != "default"


def in_force(settings: Settings) -> tuple[InForce, ...]:
    """Every setting, in the order in which they are documented."""
    brought = _brought_by_mode(settings)
    return tuple(_in_force(known, settings, brought) for known in KNOWN_SETTINGS)


def url_shown(raw: str) -> str:
    """A URL without user, password, query and fragment; `set, hidden` where one of them may be anywhere."""
    try:
        parts = urlsplit(raw)
        user, at, host = parts.netloc.rpartition("@")
        _ = parts.port  # a password's beginning may stand where the port would
    except ValueError:
        return HIDDEN
    if raw.count("@") != len(at) or not parts.scheme:
        return HIDDEN
    return f"{parts.scheme}://{'…@' if user else ''}{host}{parts.path}{'?…' if parts.query else ''}"


def _in_force(known: KnownSetting, settings: Settings, brought: Mapping[str, str]) -> InForce:
    flag = (known.flag,) if known.flag else ()
    origin = brought.get(known.name, settings.origins.get(known.name, "default"))
    return InForce(
        name=known.name,
        value=_VALUES[known.name](settings),
        origin=origin,
        meaning=known.meaning,
        allowed=known.allowed,
        places=(*flag, "environment", ".env"),
    )


def _brought_by_mode(settings: Settings) -> dict[str, str]:
    """Settings that the sample or the rehearsal brought, whatever the user has."""
    if settings.mode == "live":
        return {}
    by = "--rehearse" if settings.mode == "rehearsal" else "--demo"
    names = [
        "BATCH_MANAGER_HOME",
        "DOCUMENTATION_STORE_URL",
        "CHROMA_PERSIST_DIRECTORY",
        "CHROMA_URL",
        "LOG_FILE",
    ]
    if settings.mode == "rehearsal":
        names += ["OPENAI_API_KEY", "OPENAI_BASE_URL", "EMBEDDING_PROVIDER"]
        if settings.origins.get("EMBEDDING_BATCH_SIZE", "default") == "default":
            names.append("EMBEDDING_BATCH_SIZE")
    elif settings.provider == "local":
        names += ["EMBEDDING_PROVIDER", "OPENAI_EMBEDDING_MODEL", "OPENAI_EMBEDDING_DIMENSIONS"]
    return dict.fromkeys(names, by)


def _number(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:,}"


def _key(settings: Settings) -> str:
    if settings.mode == "rehearsal":
        return "none is needed"
    if settings.api_key:
        return HIDDEN
    return UNSET if settings.provider == "openai" else f"{UNSET}, and none is needed"


def _server(settings: Settings) -> str:
    if settings.mode == "rehearsal":
        return "a server on this machine"
    return url_shown(settings.base_url)


def _price(settings: Settings) -> str:
    return "the price list's" if settings.price_per_million is None else f"${settings.price_per_million}"


def _budget(limit: Decimal | None) -> str:
    return "none" if limit is None else f"${limit:f}"


_VALUES: dict[str, Callable[[Settings], str]] = {
    "OPENAI_API_KEY": _key,
    "OPENAI_BASE_URL": _server,
    "OPENAI_EMBEDDING_MODEL": lambda now: now.model,
    "OPENAI_EMBEDDING_DIMENSIONS": lambda now: _number(now.dimensions, "the model's own"),
    "EMBEDDING_PROVIDER": lambda now: now.provider,
    "EMBEDDING_BATCH_SIZE": lambda now: f"{now.batch_size:,}",
    "EMBEDDING_MAX_RETRIES": lambda now: f"{now.max_retries:,}",
    "EMBEDDING_CONCURRENCY": lambda now: f"{now.concurrency:,}",
    "EMBEDDING_PRICE_PER_MILLION": _price,
    "EMBEDDING_TOKENS_PER_MINUTE": lambda now: _number(now.tokens_per_minute, "what the server tells"),
    "EMBEDDING_REQUESTS_PER_MINUTE": lambda now: _number(now.requests_per_minute, "what the server tells"),
    "EMBEDDING_MAX_COST_PER_DAY": lambda now: _budget(now.max_cost_per_day),
    "EMBEDDING_MAX_COST_PER_MONTH": lambda now: _budget(now.max_cost_per_month),
    "BATCH_MANAGER_USER": lambda now: now.user or UNSET,
    "DATABASE_URL": lambda now: url_shown(now.database_url) if now.database_url else UNSET,
    "DOCUMENTATION_STORE_URL": lambda now: url_shown(now.store_server) if now.store_server else str(now.store_path),
    "CHROMA_PERSIST_DIRECTORY": lambda now: f"{UNSET}: a server is" if now.chroma_url else str(now.vectors_directory),
    "CHROMA_URL": lambda now: url_shown(now.chroma_url) if now.chroma_url else UNSET,
    "EMBEDDING_QUEUE": lambda now: now.queue,
    "WORKER_NAME": lambda now: now.worker_name or UNSET,
    "BATCH_MANAGER_HOME": lambda now: str(now.home),
    "LOG_LEVEL": lambda now: now.log_level,
    "LOG_FILE": lambda now: str(now.log_path),
}
