"""Documents: what is known of a table or a relationship, and the exact text made of it.

`render` is the only function that makes a text. The preview, the count, the request and the stored
document are its result, byte for byte. A scan brings structure and an import brings words; `merge`
joins the two, so that neither erases the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Any, Literal

from batch_manager.facts import (
    Column,
    Constraint,
    column_payload,
    column_words,
    constraint_payload,
    merge_columns,
    read_columns,
    read_constraints,
    rule_words,
    text_of,
    texts_of,
)

__all__ = [
    "KINDS",
    "LAYOUT_VERSION",
    "PROBLEMS",
    "Column",
    "Constraint",
    "Document",
    "Kind",
    "Rendered",
    "from_payload",
    "merge",
    "payload_text",
    "render",
    "text_hash",
    "to_payload",
]

Kind = Literal["table", "relationship"]
KINDS: tuple[Kind, ...] = ("table", "relationship")

LAYOUT_VERSION = 1
"""Version of `render`. Kept beside each text: a new layout must never make a text pending by itself."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of one item.

    Attributes:
        kind: `table` or `relationship`.
        name: The item's name, compared exactly.
        business_purpose: One line on what the table is for (words).
        documentation: The analyst's text (words).
        comment: The database's own comment (structure).
        columns: The table's columns, in order (structure; comments may come from words).
        type: Cardinality of a relationship, such as `many-to-one`, read from the constrained table to the referred one.
        tables: (constrained, referred) of a relationship, or empty.
        constrained: Columns of the constrained table.
        referred: Columns of the referred table.
        form: What sort of table it is when it isn't a plain one, such as `materialized view`.
        constraints: The table's primary key, unique and check constraints.
        joins: The two tables that it joins many-to-many, when all it does is to join them.
        schema: The schema that it is in, as its source says; a relationship's is that of its constrained table. It is
            for filters and in no text.
    """

    kind: Kind
    name: str
    business_purpose: str = ""
    documentation: str = ""
    comment: str = ""
    columns: tuple[Column, ...] = ()
    type: str = ""
    tables: tuple[str, ...] = ()
    constrained: tuple[str, ...] = ()
    referred: tuple[str, ...] = ()
    form: str = ""
    constraints: tuple[Constraint, ...] = ()
    joins: tuple[str, ...] = ()
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of an item and what follows from it.

    Attributes:
        text: What is sent, whole.
        hash: SHA-256 of the text's UTF-8 bytes, hex; empty when the text can't be encoded.
        problem: Code of the reason why it can't be sent (see `PROBLEMS`), or None.
        layout: `LAYOUT_VERSION` at the time.
    """

    text: str
    hash: str
    problem: str | None
    layout: int = field(default=LAYOUT_VERSION)


PROBLEMS: Mapping[str, tuple[str, str]] = {
    "empty_document": (
        "There is nothing to say but the name.",
        "Write documentation for it, or scan the database that has it, then import again.",
    ),
    "invalid_unicode": (
        "The text has a lone surrogate (half a character), which no server can receive.",
        "Repair the text where it was exported, then import it again.",
    ),
}
"""Problems found before paying: code → (message, next step)."""


def render(document: Document) -> Rendered:
    """Make the exact text of a document.

    What tells items apart comes first (name, purpose, what joins to what), then the words, then the
    columns; what is empty is left out.
    """
    lines = sections(document)
    text = "\n".join(line for _, line in lines)
    if not _says_something(document, len(lines)):
        return Rendered(text, text_hash(text), "empty_document")
    digest = text_hash(text)
    return Rendered(text, digest, None if digest else "invalid_unicode")


def sections(document: Document) -> list[tuple[str, str]]:
    """What the text is made of: (what it is, its lines) of each section, which newlines join to the whole text."""
    return _table_sections(document) if document.kind == "table" else _relationship_sections(document)


def text_hash(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, hex; empty when it has a lone surrogate."""
    try:
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
    except UnicodeEncodeError:
        return ""


def merge(structure: Document | None, words: Document | None) -> Document:
    """Join what a scan and an import say of one item; words win where both speak.

    The columns are the scan's when there was one, each with the comment that the words give it.

    Raises:
        ValueError: When both are None.
    """
    if structure is None or words is None:
        only = structure or words
        if only is None:
            raise ValueError("an item needs structure or words")
        return only
    return Document(
        kind=words.kind,
        name=words.name,
        business_purpose=words.business_purpose or structure.business_purpose,
        documentation=words.documentation or structure.documentation,
        comment=structure.comment or words.comment,
        columns=merge_columns(structure.columns, words.columns) or words.columns,
        type=words.type or structure.type,
        tables=structure.tables or words.tables,
        constrained=structure.constrained or words.constrained,
        referred=structure.referred or words.referred,
        form=structure.form or words.form,
        constraints=structure.constraints or words.constraints,
        joins=structure.joins or words.joins,
        schema=structure.schema or words.schema,
    )


def to_payload(document: Document) -> dict[str, Any]:
    """The document in the import format's shape; empty fields are left out."""
    payload: dict[str, Any] = {"kind": document.kind, "name": document.name}
    if document.business_purpose:
        payload["business_purpose"] = document.business_purpose
    if document.comment:
        payload["comment"] = document.comment
    schema: dict[str, Any] = {}
    if document.schema:
        schema["name"] = document.schema
    if document.columns:
        schema["columns"] = [column_payload(column) for column in document.columns]
    if document.form:
        schema["form"] = document.form
    if document.constraints:
        schema["constraints"] = [constraint_payload(constraint) for constraint in document.constraints]
    if document.joins:
        schema["joins"] = list(document.joins)
    if schema:
        payload["schema"] = schema
    if document.type:
        payload["type"] = document.type
    if document.tables:
        payload["tables"] = list(document.tables)
    if document.constrained or document.referred:
        payload["columns"] = {"constrained": list(document.constrained), "referred": list(document.referred)}
    if document.documentation:
        payload["documentation"] = document.documentation
    return payload


def payload_text(document: Document) -> str:
    """The document's payload as JSON, to the byte as `json.dumps` writes it.

    Its escapes keep lone surrogates, which a database could not hold otherwise. It is what a reading is compared by,
    so that another way of writing it would make every item another one.
    """
    members = (
        f'"{key}": {_quoted(value) if isinstance(value, str) else json.dumps(value)}'
        for key, value in to_payload(document).items()
    )
    return "{" + ", ".join(members) + "}"


_PLAIN = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))
"""Characters that stand for themselves in JSON."""


def _quoted(text: str) -> str:
    """A text in JSON. Most have nothing to escape, which is seen several times as fast as it is escaped."""
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return f'"{text}"'
    return encode_basestring_ascii(text)


def from_payload(payload: Mapping[str, Any]) -> Document:
    """Read a document in the import format's shape.

    Raises:
        ValueError: With one plain line that says which field is wrong.
    """
    kind = payload.get("kind", "table")
    if kind not in KINDS:
        raise ValueError(f"kind must be table or relationship, not {str(kind)[:40]!r}")
    name = payload.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("name is missing or not a text")
    if not (name.isascii() or text_hash(name)):
        raise ValueError("name has a lone surrogate")
    schema = payload.get("schema") or {}
    if not isinstance(schema, Mapping):
        raise ValueError("schema must be an object")
    join = payload.get("columns") or {}
    if not isinstance(join, Mapping):
        raise ValueError("columns must be an object with constrained and referred")
    tables = texts_of(payload, "tables")
    if kind == "relationship" and len(tables) not in (0, 2):
        raise ValueError("tables must name two tables: constrained, referred")
    joins = texts_of(schema, "joins")
    if len(joins) not in (0, 2):
        raise ValueError("joins must name two tables")
    return Document(
        kind=kind,
        name=name,
        business_purpose=text_of(payload, "business_purpose"),
        documentation=text_of(payload, "documentation"),
        comment=text_of(payload, "comment"),
        columns=tuple(read_columns(columns)) if (columns := schema.get("columns")) else (),
        type=text_of(payload, "type") if kind == "relationship" else "",
        tables=tables,
        constrained=texts_of(join, "constrained"),
        referred=texts_of(join, "referred"),
        form=text_of(schema, "form"),
        constraints=tuple(read_constraints(rules)) if (rules := schema.get("constraints")) else (),
        joins=joins,
        schema=named if isinstance(named := schema.get("name"), str) else "",
    )


def _says_something(document: Document, lines: int) -> bool:
    """Whether there is more than the name."""
    if document.kind == "table":
        return bool(document.business_purpose.strip()) or lines > 1
    return len(document.tables) == 2 or lines > 1


def _table_sections(document: Document) -> list[tuple[str, str]]:
    purpose, comment = document.business_purpose.strip(), document.comment.strip()
    head = ("name and purpose", f"{document.name}: {purpose}") if purpose else ("name", document.name)
    lines = [head]
    for label, words in (("comment", comment), ("documentation", document.documentation.strip())):
        if words and words not in (line for _, line in lines):
            lines.append((label, words))
    if len(document.joins) == 2:
        lines.append(("joins", f"Joins {document.joins[0]} and {document.joins[1]}, many-to-many"))
    if document.columns:
        lines.append(("columns", "Columns: " + ", ".join(column_words(column) for column in document.columns)))
    if rules := rule_words(document.columns, document.constraints):
        lines.append(("rules", f"Rules: {rules}"))
    return lines


def _relationship_sections(document: Document) -> list[tuple[str, str]]:
    head = document.name
    if len(document.tables) == 2:
        constrained = _with_columns(document.tables[0], document.constrained)
        referred = _with_columns(document.tables[1], document.referred)
        head = f"{head}: {constrained} references {referred}"
        if document.type.strip():
            head += f", {document.type.strip()}"
    said = (
        ("name and tables" if head != document.name else "name", head),
        ("purpose", document.business_purpose.strip()),
        ("comment", document.comment.strip()),
        ("documentation", document.documentation.strip()),
    )
    return [said[0], *((label, words) for label, words in said[1:] if words)]


def _with_columns(table: str, columns: Iterable[str]) -> str:
    names = ", ".join(columns)
    return f"{table}({names})" if names else table
