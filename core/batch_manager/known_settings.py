"""Every setting by name: what it means, its default and what is allowed. Light to import, since `--help` lists it.

`settings` reads the values; a test holds the two together.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as checkers read it; importing typing would cost more than all of the table
if TYPE_CHECKING:
    from collections.abc import Iterator


class KnownSetting:
    """What a user can know of a setting before setting it.

    Attributes:
        name: The variable in the environment or in `.env`.
        default: The value that holds without it; a description stands in brackets.
        meaning: A few words.
        allowed: What a value must be, in the words that a wrong one is refused with.
        flag: The flag that wins over it; empty when it has none.
    """

    __slots__ = ("allowed", "default", "flag", "meaning", "name")

    def __init__(self, name: str, default: str, meaning: str, allowed: str, flag: str = "") -> None:
        self.name = name
        self.default = default
        self.meaning = meaning
        self.allowed = allowed
        self.flag = flag


_URL = "a URL that starts with http:// or https://"

KNOWN_SETTINGS = (
    KnownSetting(
        "OPENAI_API_KEY", "(none)", "never logged, stored or shown", "a key of visible ASCII characters without spaces"
    ),
    KnownSetting("OPENAI_BASE_URL", "https://api.openai.com/v1", "the server", _URL),
    KnownSetting(
        "OPENAI_EMBEDDING_MODEL",
        "text-embedding-3-small",
        "the embedding model",
        "a model's name without spaces",
        "--model",
    ),
    KnownSetting(
        "OPENAI_EMBEDDING_DIMENSIONS",
        "(the model's own)",
        "numbers of a vector",
        "a whole number from 1 to 16,384",
    ),
    KnownSetting("EMBEDDING_PROVIDER", "openai", "who embeds", "openai or local", "--provider"),
    KnownSetting(
        "EMBEDDING_BATCH_SIZE", "100", "documents a request at most", "a whole number from 1 to 2,048", "--batch-size"
    ),
    KnownSetting(
        "EMBEDDING_MAX_RETRIES", "3", "retries after the first try", "a whole number from 0 to 100", "--max-retries"
    ),
    KnownSetting(
        "EMBEDDING_CONCURRENCY", "8", "requests in flight at most", "a whole number from 1 to 64", "--concurrency"
    ),
    KnownSetting(
        "EMBEDDING_PRICE_PER_MILLION",
        "(the price list's)",
        "USD; wins over the list",
        "a price in USD per million tokens",
    ),
    KnownSetting(
        "EMBEDDING_TOKENS_PER_MINUTE",
        "(what the server tells)",
        "tokens a minute",
        "a whole number from 1 to 1,000,000,000,000",
        "--tokens-per-minute",
    ),
    KnownSetting(
        "EMBEDDING_REQUESTS_PER_MINUTE",
        "(what the server tells)",
        "requests a minute",
        "a whole number from 1 to 1,000,000,000",
        "--requests-per-minute",
    ),
    KnownSetting(
        "EMBEDDING_MAX_COST_PER_DAY",
        "(none)",
        "USD a UTC day, all runs of the store",
        "an amount in USD, such as 5.00",
    ),
    KnownSetting("EMBEDDING_MAX_COST_PER_MONTH", "(none)", "the same, a month", "an amount in USD, such as 5.00"),
    KnownSetting(
        "BATCH_MANAGER_USER",
        "(nobody's name)",
        "who agrees; for the bill",
        "a name of 1 to 60 printable characters",
        "--as",
    ),
    KnownSetting("DATABASE_URL", "(none)", "what --scan reads; never written to", "SQLAlchemy's URL of a database"),
    KnownSetting(
        "DOCUMENTATION_STORE_URL",
        "(store.sqlite3 in the home)",
        "the store",
        "sqlite:///path/to/file or postgresql://user:password@host:5432/database",
    ),
    KnownSetting("CHROMA_PERSIST_DIRECTORY", "(vectors/ in the home)", "Chroma's folder", "a path"),
    KnownSetting("CHROMA_URL", "(none)", "a Chroma server instead", _URL),
    KnownSetting("EMBEDDING_QUEUE", "here", "who sends: this process, or workers", "here or workers", "--workers"),
    KnownSetting("WORKER_NAME", "(host:process)", "what a worker is called", "a name of at most 60 characters"),
    KnownSetting("BATCH_MANAGER_HOME", "(the user's data folder)", "all that is kept", "a path", "--home"),
    KnownSetting("LOG_LEVEL", "INFO", "DEBUG shows tracebacks", "DEBUG or INFO or WARNING or ERROR or CRITICAL"),
    KnownSetting("LOG_FILE", "(batch-manager.log in the home)", "the log", "a path"),
)
"""In the order in which they are shown."""


def setting_lines() -> Iterator[str]:
    """A line for each setting, of 80 columns at most."""
    width = max(len(one.name) for one in KNOWN_SETTINGS)
    for one in KNOWN_SETTINGS:
        default = one.default if one.default.startswith("(") else f"({one.default})"
        yield f"{one.name.ljust(width)}  {one.meaning} {default}"
