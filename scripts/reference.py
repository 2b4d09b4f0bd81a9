"""Write docs/reference.md from the code: scripts/reference.py [--check]."""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "batch_manager"
PAGE = ROOT / "docs" / "reference.md"
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "tui")]

from batch_manager import errors  # noqa: E402
from batch_manager.cli.flags import make_parser  # noqa: E402
from batch_manager.cli.help_text import EXIT_CODES  # noqa: E402
from batch_manager.documents import PROBLEMS  # noqa: E402
from batch_manager.embedding.classify import MONEY_CODES  # noqa: E402
from batch_manager.known_settings import KNOWN_SETTINGS  # noqa: E402
from batch_manager_tui.commands import GROUPS  # noqa: E402
from batch_manager_tui.places import ALL_COMMANDS  # noqa: E402

INTRODUCTION = """\
# Reference

Made from the code by `python scripts/reference.py`; a test fails when it is out of date.
"""
ABOUT_FLAGS = "One action a call; options combine with every action that they make sense for."
ABOUT_SETTINGS = (
    "From the environment or from `.env` in the working folder; a flag wins over both. A wrong value ends the call"
    " with 2. An empty one counts as not set."
)
ABOUT_KEYS = "In the app. Under a price only `y` spends."
ABOUT_ENDS = """\
On stderr an error is one line: what, why and the next step. In Python it is an exception of `batch_manager.errors`
that has this `code`."""
ABOUT_ITEMS = """\
Codes of failed items and of refused requests. Where the server names a code of its own, such as
`invalid_request_error`, that is kept."""

ELSEWHERE = {
    "bad_database_url": "The database URL …",
    "cap_reached": "The cap of … is reached: … texts are left, which would cost ….",
    "connection_lost": "The connection to … broke: ….",
    "not_json": "… can't be read as JSON: ….",
    "local_model_ended": "The local model's process was ended by ….",
    "local_model_failed": "The local model failed: ….",
    "no_vector": "The local model knows no word of the text.",
    "wrong_size": "The answer has vectors of … numbers.",
    "unreachable": "… can't be reached: ….",
}
"""Words of codes whose message is put together far from them."""

MESSAGES = 2
"""Shown of one code."""


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    made = page()
    if "--check" not in sys.argv:
        PAGE.write_text(made)
        return 0
    if PAGE.read_text() == made:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is out of date: run scripts/reference.py", file=sys.stderr)
    return 1


def page() -> str:
    """The whole page."""
    sections = [
        ("Flags", ABOUT_FLAGS, _flags()),
        ("Exit codes", "", table(("code", "means"), ((str(code), words) for code, words in EXIT_CODES))),
        ("Settings", ABOUT_SETTINGS, _settings()),
        ("Keys", ABOUT_KEYS, _keys()),
        ("Errors that end a call", ABOUT_ENDS, table(("code", "exit", "says"), ends())),
        ("Failed items and refused requests", ABOUT_ITEMS, table(("code", "says"), failures())),
    ]
    text = "\n".join(f"## {title}\n\n{about + chr(10) * 2 if about else ''}{body}" for title, about, body in sections)
    return f"{INTRODUCTION}\n{text}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _flags() -> str:
    groups: dict[str, list[tuple[str, str]]] = {}
    parser = make_parser()
    for group in parser._action_groups:
        for one in group._group_actions:
            groups.setdefault(group.title or "", []).append((_written(one), one.help or ""))
    return "\n".join(f"**{title}**\n\n{table(('flag', 'does'), rows)}" for title, rows in groups.items())


def _written(one: argparse.Action) -> str:
    """A flag with its value, as a person types it."""
    names = ", ".join(f"`{name}`" for name in one.option_strings[:-1])
    value = one.metavar if isinstance(one.metavar, str) else "|".join(map(str, one.choices or ()))
    shown = f" [{value}]" if one.nargs == "?" else f" {value}" if value else ""
    return ", ".join(filter(None, [names, f"`{one.option_strings[-1]}{shown}`"]))


def _settings() -> str:
    rows = (
        (
            f"`{one.name}`" + (f", `{one.flag}`" if one.flag else ""),
            one.default.strip("()") if one.default.startswith("(") else f"`{one.default}`",
            one.meaning,
            one.allowed,
        )
        for one in KNOWN_SETTINGS
    )
    return table(("setting", "default", "means", "must be"), rows)


def _keys() -> str:
    rows = {
        group: [
            (" ".join(f"`{key}`" for key in one.shown_keys.split(" ")), f"`{one.id}`", one.help)
            for one in ALL_COMMANDS
            if one.group == group
        ]
        for group in GROUPS
        if any(one.group == group for one in ALL_COMMANDS)
    }
    return "\n".join(f"**{group}**\n\n{table(('key', 'name in `keys.toml`', 'does'), rows[group])}" for group in rows)


def ends() -> Iterator[tuple[str, str, str]]:
    """Codes of the errors that the program raises: (code, exit code, its words with … for what changes)."""
    defaults = {one.default_code: (inspect.getdoc(one) or "").partition("\n")[0] for one in _classes().values()}
    found: dict[str, tuple[set[int], list[str]]] = {}
    for code, kind, words in _raised():
        exits, said = found.setdefault(code, (set(), []))
        exits.add(kind.exit_code)
        words = ELSEWHERE.get(code, defaults.get(code, words))
        if words and words not in said:
            said.append(words)
    for code, (exits, said) in sorted(found.items()):
        yield f"`{code}`", " or ".join(map(str, sorted(exits))), " · ".join(said[:MESSAGES])


def failures() -> Iterator[tuple[str, str]]:
    """Codes of items and requests: (code, words)."""
    found = {code: message for code, (message, _) in PROBLEMS.items()}
    found |= dict.fromkeys(MONEY_CODES, "About money: all sending stops.")
    for path in sorted((CORE / "embedding").glob("*.py")) + sorted((CORE / "engine").glob("*.py")):
        for call in _calls(path, {"Refusal", "unusable"}):
            values = call.args[1:3] if _called(call) == "Refusal" else call.args[:2]
            for code in _texts(values[0], path) if len(values) == 2 else ():
                found.setdefault(code, _template(values[1]))
    for code, words in sorted(found.items()):
        yield f"`{code}`", words or ELSEWHERE[code]


def _classes() -> dict[str, type[errors.BatchManagerError]]:
    return {
        name: one
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.BatchManagerError) and one is not errors.RequestRefused
    }


def _raised() -> Iterator[tuple[str, type[errors.BatchManagerError], str]]:
    classes = _classes()
    for path in sorted(CORE.rglob("*.py")):
        if "rehearsal" in path.parts or path.name == "errors.py":
            continue
        for call in _calls(path, {*classes, "refuse"}):
            kind = classes.get(_called(call), errors.InputError)
            given = next((one.value for one in call.keywords if one.arg == "code"), None)
            codes = _texts(given, path) if given is not None else [kind.default_code] * (_called(call) != "refuse")
            for code in codes if call.args else ():
                yield code, kind, _template(call.args[0])
        kind = errors.VectorStoreError if "vectors" in path.parts else errors.InputError
        for code, words in _tabled(path):
            yield code, kind, words


def _tabled(path: Path) -> Iterator[tuple[str, str]]:
    """Codes that stand in tables of (code, words, next step), as drivers' and Chroma's faults do."""
    if path.name not in ("trouble.py", "database_url.py"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Tuple) and len(node.elts) in (3, 4):
            *_, first, words, _step = node.elts
            code = first.value if isinstance(first, ast.Constant) else None
            if isinstance(code, str) and "_" in code and code.replace("_", "").isalpha() and code.islower():
                said = _template(words)
                yield code, said if said.startswith("…") or said[:1].isupper() else f"… {said}."


def _calls(path: Path, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and _called(node) in names:
            yield node


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _texts(node: ast.expr, path: Path) -> list[str]:
    """A text that stands there; or a name for some, in the same module."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _texts(node.body, path) + _texts(node.orelse, path)
    if isinstance(node, ast.Name):
        given = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Assign)]
        named = [one.value for one in given if any(isinstance(to, ast.Name) and to.id == node.id for to in one.targets)]
        return [text for value in named for text in _texts(value, path)]
    return []


def _template(node: ast.expr) -> str:
    """A message with … for what changes; empty when it isn't written there."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values]
        return "".join(parts).replace("……", "…")
    return ""


if __name__ == "__main__":
    raise SystemExit(main())
