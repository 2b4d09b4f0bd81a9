"""The flags: which there are, which go together, and what a call means. Light to import."""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False  # as checkers read it; importing typing would cost more than all of the parser
if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal
    from typing import Any, NoReturn

APP = "app"
INDEXING = ("batch-index", "individual-index", "retry-failed", "rebuild-indexes")
LOOKING = ("estimate-costs", "search", "status", "verify", "check", "export")
"""What can also be asked of the home that a rehearsal left."""
LANES = ("now", "batch")
SHELLS = ("bash", "zsh", "fish")
MAX_LIMIT = 1_000
"""Most results of one search; more are no answer to a question."""


class Flags(argparse.Namespace):
    """A call, as it was given.

    Attributes:
        action: The action flag's name without dashes; `app` when there was none.
        argument: The action's own argument (URL, FILE or QUERY); None when it has or was given none.
        kind: `--type`.
        who: `--as`.
    """

    action: str
    argument: str | None
    demo: bool
    rehearse: bool
    reset: bool
    yes: bool
    max_cost: Decimal | None
    batch_size: str | None
    max_retries: str | None
    concurrency: str | None
    tokens_per_minute: str | None
    requests_per_minute: str | None
    schema: list[str] | None
    source: list[str] | None
    model: str | None
    provider: str | None
    who: str | None
    home: str | None
    trust_dotenv: bool
    json: bool
    kind: str | None
    limit: int | None
    repair: bool
    lane: str | None
    workers: bool
    wait: bool
    cancel: bool
    give_up: bool

    @property
    def indexes(self) -> bool:
        """Whether the action runs the engine over documents."""
        return self.action in INDEXING


def read_flags(arguments: Sequence[str] | None = None) -> Flags:
    """Read a call.

    Raises:
        SystemExit: With 0 after `--help` and `--version`; with 2, and one line on stderr, when the call makes
            no sense.
    """
    parser = make_parser()
    flags = parser.parse_args(arguments, namespace=Flags(action=APP, argument=None))
    _check(flags, parser)
    return flags


def make_parser() -> argparse.ArgumentParser:
    """The parser; its groups are the sections of `--help`."""
    from batch_manager.cli.help_text import below_the_flags

    parser = _Parser(
        prog="batch-manager",
        usage="batch-manager [--demo | --rehearse] [ACTION] [options]",
        description="Embeds the documentation of SQL databases. With no action it opens the app.",
        epilog=below_the_flags(),
        formatter_class=_formatter,
        allow_abbrev=False,  # scripts must not depend on what other flags there happen to be
        add_help=False,
    )
    _add_modes(parser)
    _add_actions(parser)
    _add_options(parser)
    return parser


def _add_modes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("modes, alone (the app) or with an action").add_argument
    add("--demo", action="store_true", help="the bundled sample and a local model, in a home of their own: $0")
    add(
        "--rehearse",
        action="store_true",
        help="the OpenAI path against a server on this machine, faults included: pretend dollars; "
        "with the app or an indexing action; with one that looks, what that left",
    )
    add("--reset", action="store_true", help="start the home of --demo or --rehearse anew")


def _add_actions(parser: argparse.ArgumentParser) -> None:
    def add(group: Any, name: str, words: str, **options: Any) -> None:
        options.setdefault("nargs", 0)
        group.add_argument(f"--{name}", action=_ActionFlag, dest="argument", help=words, **options)

    read = parser.add_argument_group("actions: reading and writing documentation (one action a call)")
    add(
        read,
        "scan",
        "read tables and relationships of a database: its URL, or its file (default: DATABASE_URL)",
        nargs="?",
        metavar="URL",
    )
    add(read, "import", "read documentation: JSON Lines, dbt, tbls or CSV (- is stdin)", nargs=None, metavar="FILE")
    add(read, "export", "write the store as JSON Lines (- is stdout)", nargs=None, metavar="FILE")
    add(
        read,
        "move-store",
        "move this home's store to a PostgreSQL server: its URL without a password (default: DOCUMENTATION_STORE_URL)",
        nargs="?",
        metavar="URL",
    )
    index = parser.add_argument_group("actions: indexing (each shows its price and asks first)")
    add(index, "batch-index", "index what is pending, in batches")
    add(index, "individual-index", "the same, one document a request")
    add(index, "retry-failed", "only what failed before")
    add(index, "rebuild-indexes", "every item again; what was paid for before costs $0")
    words = "take in what was handed over at half the price (exit code 5: not all of it is back); see --wait, --cancel,"
    words += " --give-up"
    add(index, "collect", words)
    add(index, "worker", "send what was agreed with --workers, beside other workers, until it is told to end")
    ask = parser.add_argument_group("actions: asking")
    add(ask, "estimate-costs", "print the price; sends and writes nothing")
    add(ask, "search", "the nearest documents", nargs=None, metavar="QUERY")
    add(ask, "mcp", "answer an assistant over MCP on stdin and stdout, until it closes them")
    add(ask, "status", "counts, spend so far, the index's health")
    add(ask, "verify", "compare store and index both ways; see --repair")
    add(ask, "check", "exit 1 when something is pending or untrue; sends and writes nothing")
    add(ask, "drop-old-index", "give up indexes of other models that are kept; what was paid for stays")
    add(ask, "trim", "forget kept answers that no item has a use for")
    shell = parser.add_argument_group("actions: the shell")
    words = "print the script that completes these flags in bash, zsh or fish"
    add(shell, "completion", words, nargs=None, choices=SHELLS, metavar="SHELL")


def _add_options(parser: argparse.ArgumentParser) -> None:
    from batch_manager import __version__

    spend = parser.add_argument_group("options for what spends").add_argument
    spend("--yes", action="store_true", help="don't ask")
    spend(
        "--lane",
        choices=LANES,
        help="with --batch-index or --retry-failed: now, or batch: half the price, back within 24 h (default now)",
    )
    spend("--workers", action="store_true", help="have workers do it (see --worker), and watch them")
    spend("--max-cost", type=_usd, metavar="USD", help="hard cap, never exceeded")
    spend("--batch-size", metavar="N", help="documents a request at most, 1 to 2048 (default 100)")
    spend("--max-retries", metavar="N", help="retries after the first try (default 3)")
    spend("--concurrency", metavar="N", help="requests in flight at most (default 8)")
    spend("--tokens-per-minute", metavar="N", help="the account's limit, for a server that sends no headers")
    spend("--requests-per-minute", metavar="N", help="the same for requests")
    spend("--model", metavar="NAME", help="embedding model (default text-embedding-3-small)")
    spend("--provider", choices=("openai", "local"), help="the OpenAI API, or the model on this machine")
    spend("--as", dest="who", metavar="NAME", help="who agrees to the run: kept with it, and told in the bill")
    spend(
        "--trust-dotenv",
        action="store_true",
        help="without a question, send a key from elsewhere to the OPENAI_BASE_URL of this folder's .env",
    )
    more = parser.add_argument_group("further options").add_argument
    more("--type", dest="kind", choices=("table", "relationship", "all"), help="what --search finds (default all)")
    more("--limit", type=_limit, metavar="N", help="how many results --search prints (default 10)")
    words = "with --scan and --search: only this schema (repeatable; * and ? match)"
    more("--schema", action="append", metavar="NAME", help=words)
    words = "with --search: only what this source told of: its name or a part of it (repeatable; * and ? match);"
    words += " with --scan: the source that this database is at a new address"
    more("--source", action="append", metavar="NAME", help=words)
    more("--repair", action="store_true", help="with --verify: mend what costs nothing")
    more("--wait", action="store_true", help="with --collect: look again, less and less often, until all is back")
    more("--cancel", action="store_true", help="with --collect: end what is under way; what is done is kept and paid")
    words = (
        "with --collect: wait no longer for batches that the server doesn't show; asks first, since they may be billed"
    )
    more("--give-up", action="store_true", help=words)
    more("--home", metavar="DIR", help="where the program keeps everything")
    more("--json", action="store_true", help="print the result as one JSON document")
    more("--version", action="version", version=f"batch-manager {__version__}")
    more("--help", "-h", action="help", help="this text")


UNKNOWN = "unrecognized arguments: "


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a call on one line."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ") + self._meant(message)
        line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in message)
        print(f"error: {line}. See batch-manager --help.".replace("..", ".").replace("?.", "?"), file=sys.stderr)
        sys.exit(2)

    def _meant(self, message: str) -> str:
        """The flag that may have been meant by one that there isn't."""
        words = message.removeprefix(UNKNOWN).split()
        if not message.startswith(UNKNOWN) or not words or not words[0].startswith("--"):
            return ""
        from difflib import get_close_matches

        flag = words[0].partition("=")[0]
        found = get_close_matches(flag, [one for one in self._option_string_actions if one.startswith("--")], 1)
        return f"; did you mean {found[0]}?" if found else ""


class _ActionFlag(argparse.Action):
    """Takes one action and its argument, and refuses a second."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        action = (option or "").removeprefix("--")
        if namespace.action != APP:
            parser.error(f"--{namespace.action} and --{action} are two actions; a call takes exactly one")
        namespace.action = action
        namespace.argument = values if isinstance(values, str) else None


def _formatter(prog: str) -> argparse.HelpFormatter:
    # argparse would import shutil, and compressors with it, to learn the terminal's width.
    try:
        width = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        width = 100
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=max(60, min(width, 120)) - 2)


def _usd(raw: str) -> Decimal:
    from decimal import Decimal, InvalidOperation

    try:
        amount = Decimal(raw.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount < 0 or amount > 10**9 or exponent < -12:
        raise argparse.ArgumentTypeError(f"{raw[:80]!r} is not an amount in USD, such as 0.50")
    return amount


def _limit(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) < 9 and 1 <= int(raw) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError(f"{raw[:80]!r} is not a whole number from 1 to {MAX_LIMIT:,}")
    return int(raw)


def _check(flags: Flags, parser: argparse.ArgumentParser) -> None:
    """Refuse options that make no sense together, with the reason."""
    reason = nonsense(flags)
    if reason:
        parser.error(reason)


def nonsense(flags: Flags) -> str | None:
    """Why these options make no sense together; None when they do. Pure."""
    action, shown = flags.action, "the app" if flags.action == APP else f"--{flags.action}"
    run = (*INDEXING, "estimate-costs")
    # Option, whether it was given, the actions that it goes with, and why with no other.
    rules: tuple[tuple[str, bool, tuple[str, ...], str], ...] = (
        (
            "--rehearse",
            flags.rehearse,
            (APP, *INDEXING, "collect", *LOOKING),
            "leave it out; the app and indexing can be rehearsed, and what they left be looked at",
        ),
        (
            "--yes",
            flags.yes,
            (*run, "search", "scan", "import", "trim", "drop-old-index", *(("collect",) if flags.give_up else ())),
            "there is no question to answer",
        ),
        ("--max-cost", flags.max_cost is not None, (APP, *run, "search", "mcp"), "it spends nothing"),
        (
            "--trust-dotenv",
            flags.trust_dotenv,
            (*INDEXING, "search", "mcp", "collect", "worker"),
            "it sends nothing unasked",
        ),
        ("--workers", flags.workers, (APP, *INDEXING), "only indexing has batches for them"),
        ("--max-retries", flags.max_retries is not None, (APP, *run, "collect", "worker"), "it sends no batches"),
        ("--concurrency", flags.concurrency is not None, (APP, *run, "worker"), "it sends no batches"),
        ("--tokens-per-minute", flags.tokens_per_minute is not None, (APP, *run, "worker"), "it sends no batches"),
        ("--requests-per-minute", flags.requests_per_minute is not None, (APP, *run, "worker"), "it sends no batches"),
        ("--as", flags.who is not None, (APP, *INDEXING), "it agrees to no run"),
        ("--schema", flags.schema is not None, ("scan", "search"), "only a scan and a search go by schemas"),
        ("--source", flags.source is not None, ("scan", "search"), "only a scan and a search go by sources"),
        ("--type", flags.kind is not None, ("search",), "only a search has one"),
        ("--limit", flags.limit is not None, ("search",), "only a search has one"),
        ("--lane", flags.lane is not None, ("batch-index", "retry-failed"), "it has one lane"),
        ("--wait", flags.wait, ("collect",), "it goes with --collect"),
        ("--cancel", flags.cancel, ("collect",), "it goes with --collect"),
        ("--give-up", flags.give_up, ("collect",), "it goes with --collect"),
        ("--repair", flags.repair, ("verify",), "it goes with --verify"),
    )
    for option, given, goes_with, why in rules:
        if given and action not in goes_with:
            return f"{option} makes no sense with {shown}: {why}"
    if flags.batch_size is not None and action not in (APP, *run):
        return f"--batch-size makes no sense with {shown}: it sends no batches"
    if flags.batch_size is not None and action == "individual-index":
        return "--batch-size makes no sense with --individual-index, which sends one document a request"
    return _nonsense_of_modes(flags)


def _nonsense_of_modes(flags: Flags) -> str | None:
    if flags.reset and not (flags.demo or flags.rehearse):
        return "--reset goes with --demo or --rehearse only: it never deletes a home of yours"
    if flags.rehearse and flags.provider == "local":
        return "--rehearse and --provider local contradict each other: a rehearsal runs the OpenAI path"
    if (flags.workers or flags.action == "worker") and (flags.demo or flags.rehearse):
        return "workers share a store on PostgreSQL, and --demo and --rehearse have homes of their own"
    if flags.workers and flags.lane == "batch":
        return "--workers makes no sense with --lane batch, which sends nothing by itself"
    if flags.json and flags.action == "worker":
        return "--json makes no sense with --worker, which has no result"
    if flags.demo and flags.model is not None and not flags.rehearse and flags.provider != "openai":
        return "--demo has one local model; --model goes with --demo --rehearse, or with --provider openai"
    if flags.json and flags.action == APP:
        return "--json makes no sense with the app: give an action, such as --status"
    if flags.json and flags.action == "mcp":
        return "--json makes no sense with --mcp, since stdout carries the protocol"
    if flags.demo and flags.action == "move-store":
        return "--move-store makes no sense with --demo: the sample stays in a home of its own"
    if flags.action == "completion" and (flags.json or flags.demo):
        option = "--json" if flags.json else "--demo"
        return f"{option} makes no sense with --completion: it prints a script and looks at no home"
    if flags.json and flags.action == "export" and flags.argument == "-":
        return "--json makes no sense with --export -, since stdout carries the documents"
    return None
