"""Every setting: where it came from, what is allowed, what is in force.

Order: a flag, the environment, `.env` in the working folder, the default. A wrong value is an error that
names the setting, the value and what is allowed; it never falls back in silence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from batch_manager.errors import SettingError

Provider = Literal["openai", "local"]
Origin = Literal["flag", "environment", ".env", "default"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "text-embedding-3-small"
LOCAL_MODEL = "wordllama-l2-supercat-256"
LOCAL_DIMENSIONS = 256
MAX_INPUTS = 2048
"""Most inputs that one request may have (OpenAI's API reference)."""

LONGEST_USER = 60
"""Characters of the name of who agrees to a run."""

SECRET_SETTINGS = ("OPENAI_API_KEY",)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. `repr` never shows the key, nor a URL, which may have a password in it.

    `user` is who agrees to runs, empty where nobody said so: login names say little (root, runner), and aren't the
    program's to tell. Units: prices in USD per million tokens; `rate_*` per minute; `None` means "not set".
    """

    home: Path
    provider: Provider = "openai"
    api_key: str | None = field(default=None, repr=False)
    base_url: str = field(default=DEFAULT_BASE_URL, repr=False)
    model: str = DEFAULT_MODEL
    dimensions: int | None = None
    batch_size: int = 100
    max_retries: int = 3
    concurrency: int = 8
    price_per_million: Decimal | None = None
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    max_cost_per_day: Decimal | None = None
    max_cost_per_month: Decimal | None = None
    user: str = ""
    database_url: str | None = field(default=None, repr=False)
    store_url: str | None = field(default=None, repr=False)
    chroma_directory: Path | None = None
    chroma_url: str | None = field(default=None, repr=False)
    queue: Literal["here", "workers"] = "here"
    worker_name: str | None = None
    log_level: str = "INFO"
    log_file: Path | None = None
    mode: Literal["live", "demo", "rehearsal"] = "live"
    server_name: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def store_server(self) -> str | None:
        """URL of the documentation store where it is on a PostgreSQL server, its password included."""
        return self.store_url if self.store_url is not None and is_postgres(self.store_url) else None

    @property
    def store_path(self) -> Path:
        """File of the documentation store; where there would be one if it is on a server."""
        if self.store_url is None or self.store_server is not None:
            return self.home / "store.sqlite3"
        return Path(self.store_url.removeprefix("sqlite:///")).expanduser()

    @property
    def vectors_directory(self) -> Path:
        """Folder of the embedded Chroma."""
        return self.chroma_directory or self.home / "vectors"

    @property
    def log_path(self) -> Path:
        """File that log lines go to."""
        return self.log_file or self.home / "batch-manager.log"

    @property
    def host(self) -> str:
        """Where texts are sent, as a person would name it."""
        if self.mode == "rehearsal":
            return "a rehearsal on this machine"
        return "this machine" if self.provider == "local" else urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def lure(self) -> str | None:
        """A warning when a key from elsewhere would go to an address that comes from the working folder's `.env`.

        Whoever can leave a file in a folder could take a key away like that.
        """
        if (
            self.provider == "openai"
            and self.mode != "rehearsal"
            and self.origins.get("OPENAI_BASE_URL") == ".env"
            and self.origins.get("OPENAI_API_KEY") in ("environment", "flag")
        ):
            return f"The address {self.host} comes from this folder's .env, and your key from elsewhere."
        return None

    @property
    def server(self) -> str:
        """The server's identity in the store: what an answer was paid to; no credentials in it."""
        if self.server_name is not None:
            return self.server_name
        if self.provider == "local":
            return "local"
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/").lower()


_USER_INFO = re.compile(r"//.*@")
"""User and password of a URL, which no message may show."""

POSTGRES_SCHEMES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Whether a store's URL names a PostgreSQL server. Pure."""
    return url.startswith(POSTGRES_SCHEMES)


def is_well_written(url: str) -> bool:
    """Whether a URL's only `@` stands before its host. Pure.

    A sign of a password that isn't written as %XX ends the part that it is in, and what is left of the password is
    taken for another part, which messages do show.
    """
    try:
        return url.count("@") == urlsplit(url).netloc.count("@") <= 1
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """A store's URL as it may be shown: no user, no password, no options, which may have one too. Pure."""
    return _USER_INFO.sub("//", url).partition("?")[0] if is_postgres(url) else url


def has_password(url: str) -> bool:
    """Whether the URL of a PostgreSQL server has a password in it, before its host or among its options. Pure."""
    parts = urlsplit(url)
    return bool(parts.password) or any(name.endswith("password") for name in parse_qs(parts.query))


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read the settings.

    Args:
        flags: Values given as flags, by setting name (`OPENAI_EMBEDDING_MODEL`, …); they win.
        environment: Instead of `os.environ`.
        folder: Where `.env` is looked for; the working folder by default.

    Raises:
        SettingError: A value isn't allowed.
    """
    given = _Given(flags or {}, os.environ if environment is None else environment, folder or Path.cwd())
    provider = given.value("EMBEDDING_PROVIDER", _one_of("openai", "local"), "openai")
    local = provider == "local"
    home = given.value("BATCH_MANAGER_HOME", _path, None) or default_home()
    settings = Settings(
        home=home,
        provider=provider,
        api_key=given.value("OPENAI_API_KEY", _key, None),
        base_url=given.value("OPENAI_BASE_URL", _http_url, DEFAULT_BASE_URL),
        model=_local_model(given) if local else given.value("OPENAI_EMBEDDING_MODEL", _word, DEFAULT_MODEL),
        dimensions=None if local else given.value("OPENAI_EMBEDDING_DIMENSIONS", _whole(1, 16_384), None),
        batch_size=given.value("EMBEDDING_BATCH_SIZE", _whole(1, MAX_INPUTS), 100),
        max_retries=given.value("EMBEDDING_MAX_RETRIES", _whole(0, 100), 3),
        concurrency=given.value("EMBEDDING_CONCURRENCY", _whole(1, 64), 8),
        price_per_million=given.value("EMBEDDING_PRICE_PER_MILLION", _price, None),
        tokens_per_minute=given.value("EMBEDDING_TOKENS_PER_MINUTE", _whole(1, 10**12), None),
        requests_per_minute=given.value("EMBEDDING_REQUESTS_PER_MINUTE", _whole(1, 10**9), None),
        max_cost_per_day=given.value("EMBEDDING_MAX_COST_PER_DAY", _usd, None),
        max_cost_per_month=given.value("EMBEDDING_MAX_COST_PER_MONTH", _usd, None),
        user=given.value("BATCH_MANAGER_USER", _person, ""),
        database_url=given.value("DATABASE_URL", str, None),
        store_url=given.value("DOCUMENTATION_STORE_URL", _store_url, None),
        chroma_directory=given.value("CHROMA_PERSIST_DIRECTORY", _path, None),
        chroma_url=given.value("CHROMA_URL", _http_url, None),
        queue=given.value("EMBEDDING_QUEUE", _one_of("here", "workers"), "here"),
        worker_name=given.value("WORKER_NAME", _name, None),
        log_level=given.value("LOG_LEVEL", _one_of(*_LEVELS, upper=True), "INFO"),
        log_file=given.value("LOG_FILE", _path, None),
        origins=given.origins,
    )
    return settings


def default_home() -> Path:
    """The platform's user data folder."""
    import platformdirs

    return Path(platformdirs.user_data_dir("batch-manager", appauthor=False))


def _without_secrets(raw: str) -> str:
    """A value that may be a URL, without user and password; what stands behind its `?` may have one too. Pure."""
    cut = _USER_INFO.sub("//…@", raw)
    return f"{cut.partition('?')[0]}?…" if "://" in cut and "?" in cut else cut


class _Given:
    """Looks a setting up in order of precedence and remembers where it was found."""

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, str], folder: Path) -> None:
        self._flags = flags
        self._environment = environment
        self._file = _dotenv(folder / ".env")
        self.origins: dict[str, Origin] = {}

    def value(self, name: str, parse: Callable[[str], Any], default: Any) -> Any:
        for origin, values in self._places():
            raw = values.get(name)
            if raw is None or raw == "":
                continue  # an empty variable is how shells and .env files say "not set"
            self.origins[name] = origin
            try:
                return parse(str(raw))
            except _NotAllowed as reason:
                shown = "(hidden)" if name in SECRET_SETTINGS else repr(_without_secrets(str(raw))[:80])
                raise SettingError(
                    f"{name} is {shown} (from {_where(origin)}), but it must be {reason}.",
                    next_step=f"Set {name} to an allowed value, or remove it.",
                ) from None
        self.origins[name] = "default"
        return default

    def _places(self) -> tuple[tuple[Origin, Mapping[str, Any]], ...]:
        return ("flag", self._flags), ("environment", self._environment), (".env", self._file)


def _dotenv(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        return dict(dotenv_values(path, interpolate=False))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f".env in {path.parent} can't be read: {error}.", next_step="Repair it or remove it."
        ) from None


def _where(origin: Origin) -> str:
    return {"flag": "a flag", "environment": "the environment", ".env": ".env", "default": "the default"}[origin]


class _NotAllowed(Exception):
    """Says what would be allowed."""


def _local_model(given: _Given) -> str:
    # Only a flag may name it: the environment's model is the paid one, and stays right for the next paid run.
    if given.value("OPENAI_EMBEDDING_MODEL", _word, LOCAL_MODEL) != LOCAL_MODEL:
        if given.origins["OPENAI_EMBEDDING_MODEL"] == "flag":
            raise SettingError(
                f"--model doesn't go with the local provider, which has one model: {LOCAL_MODEL}.",
                next_step="Leave --model out, or use --provider openai.",
            )
        given.origins["OPENAI_EMBEDDING_MODEL"] = "default"
    return LOCAL_MODEL


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            value = int(raw.strip())
        except ValueError:
            raise _NotAllowed(f"a whole number from {low:,} to {high:,}") from None
        if not low <= value <= high:
            raise _NotAllowed(f"a whole number from {low:,} to {high:,}")
        return value

    return parse


def _price(raw: str) -> Decimal:
    try:
        value = Decimal(raw.strip().removeprefix("$"))
    except InvalidOperation:
        raise _NotAllowed("a price in USD per million tokens, such as 0.02") from None
    exponent = value.as_tuple().exponent
    if not value.is_finite() or value < 0 or value > 1_000_000 or not isinstance(exponent, int) or exponent < -6:
        raise _NotAllowed("a price in USD per million tokens from 0 to 1,000,000, at most 6 decimals, such as 0.02")
    return value


def _usd(raw: str) -> Decimal:
    try:
        value = Decimal(raw.strip().removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    exponent = value.as_tuple().exponent
    if not value.is_finite() or not 0 <= value <= 10**9 or not isinstance(exponent, int) or exponent < -12:
        raise _NotAllowed("an amount in USD, such as 5.00")
    return value


def _one_of(*allowed: str, upper: bool = False) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        value = raw.strip().upper() if upper else raw.strip().lower()
        if value not in allowed:
            raise _NotAllowed(" or ".join(allowed))
        return value

    return parse


def _word(raw: str) -> str:
    name = raw.strip()
    if not name or len(name) > 200 or " " in name or not name.isprintable():
        raise _NotAllowed("a model's name without spaces")
    return name


def _person(raw: str) -> str:
    name = raw.strip()
    if not name or len(name) > LONGEST_USER or not name.isprintable():
        raise _NotAllowed(f"a name of 1 to {LONGEST_USER} printable characters")
    return name


def _name(raw: str) -> str:
    name = raw.strip()
    if len(name) > 60 or not name.isprintable():
        raise _NotAllowed("a name of at most 60 characters")
    return name


def _key(raw: str) -> str:
    # A header can carry visible ASCII only; anything else would fail later with the key in the error.
    if not all(33 <= ord(char) < 127 for char in raw.strip()):
        raise _NotAllowed("a key of visible ASCII characters without spaces")
    return raw.strip()


def _path(raw: str) -> Path:
    if "\0" in raw:
        raise _NotAllowed("a path")
    try:
        return Path(raw).expanduser().absolute()
    except RuntimeError:  # `~name` of a user that isn't there
        raise _NotAllowed("a path, and this user has no home folder") from None


def _http_url(raw: str) -> str:
    try:
        parts = urlsplit(raw.strip())
        allowed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        allowed = False
    if not allowed:
        raise _NotAllowed("a URL that starts with http:// or https://")
    return raw.strip().rstrip("/")


def _store_url(raw: str) -> str:
    if is_postgres(raw.strip()):
        if "\0" in raw or not shown_url(raw.strip()).partition("://")[2].strip("/") or not is_well_written(raw):
            raise _NotAllowed(
                "postgresql://user:password@host:5432/database, with %XX for signs such as @ and / in a password"
            )
        return raw.strip()
    if not raw.startswith("sqlite:///") or len(raw) <= len("sqlite:///"):
        raise _NotAllowed("sqlite:///path/to/file or postgresql://user:password@host:5432/database")
    _path(raw.removeprefix("sqlite:///"))
    return raw
