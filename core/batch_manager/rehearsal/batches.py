"""Files and batches without sockets: OpenAI's endpoints as decisions, at the pace that the options set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from batch_manager.rehearsal.answers import error_body
from batch_manager.rehearsal.batch_checks import queue_full, read_through
from batch_manager.rehearsal.batch_faults import BatchFaults, BatchRule, parse_batch_rules
from batch_manager.rehearsal.batch_work import Worker
from batch_manager.rehearsal.forms import read_form
from batch_manager.rehearsal.limits import Refusal, check_key
from batch_manager.rehearsal.reply import Reply
from batch_manager.rehearsal.request import EmbeddingRequest, read_request
from batch_manager.rehearsal.shelf import Shelf, StoredBatch, StoredFile

if TYPE_CHECKING:
    from batch_manager.rehearsal.service import Service

ENDPOINT = "/v1/embeddings"
WINDOW = 86_400
"""Seconds that a batch is given."""

FINAL = frozenset({"completed", "failed", "expired", "cancelled"})
BEGUN, ENDING = 0.05, 0.95
"""Parts of a batch's time: before the first it is validated, after the second finalized."""

PAGE = 20
"""Rows of a list, unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; header names are in lower case. `body` is None when it was larger than allowed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None


class Batches:
    """The endpoints ``/v1/files`` and ``/v1/batches``."""

    def __init__(self, service: Service) -> None:
        """Opens the shelf of the service's options.

        Raises:
            OSError: Its folder can't be used.
        """
        self._service = service
        self._shelf = Shelf(service.options.batch_folder)
        self._uploads = self._created = 0
        self._worker = Worker(service, self._shelf)
        self._faults = BatchFaults()

    def restart(self) -> None:
        """Counts uploads and batches from 1 again, with no fault used up; what lies on the shelf stays."""
        self._uploads = self._created = 0
        self._faults = BatchFaults(parse_batch_rules(self._service.options.batch_faults))
        self._worker.faults = self._faults

    def clear(self) -> None:
        """Forgets all files and batches."""
        self._shelf.clear()
        self.restart()

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._shelf.ahead += seconds
        self._shelf.save()

    def close(self) -> None:
        """Lets the shelf go."""
        self._shelf.close()

    def answer(self, asked: Asked, wall: float) -> Reply:
        """Decides on a request.

        Args:
            asked: The request.
            wall: Wall clock, seconds since 1970.
        """
        key = asked.headers.get("authorization")
        refused = check_key(key, self._service.options.key)
        if refused is not None:
            return _refuse(refused)
        owner = hashlib.sha256((key or "").encode("latin-1", "replace")).hexdigest()[:16]
        now = wall + self._shelf.ahead
        _, _, noun, *rest = asked.path.split("/")
        reply = self._route(asked, noun, rest, owner, now)
        reply.delay = self._service.options.latency_ms / 1000
        self._shelf.save()
        return reply

    def _route(self, asked: Asked, noun: str, rest: Sequence[str], owner: str, now: float) -> Reply:
        match asked.method, noun, rest:
            case "POST", "files", []:
                return self._upload(asked, owner, now)
            case "GET", "files", []:
                return self._list_files(asked, owner)
            case "GET", "files", [name]:
                file = self._file(name, owner)
                return _missing("file", name) if file is None else _json(file.as_json())
            case "DELETE", "files", [name]:
                return self._delete(name, owner)
            case "GET", "files", [name, "content"]:
                return self._content(asked, name, owner)
            case "POST", "batches", []:
                return self._create(asked, owner, now)
            case "GET", "batches", []:
                return self._list_batches(asked, owner, now)
            case "GET", "batches", [name]:
                batch = self._batch(name, owner)
                return _missing("batch", name) if batch is None else self._shown(batch, now)
            case "POST", "batches", [name, "cancel"]:
                return self._cancel(name, owner, now)
        return _refuse(Refusal(404, f"Invalid URL ({asked.method} {asked.path})"))

    # Files

    def _file(self, name: str, owner: str) -> StoredFile | None:
        file = self._shelf.files.get(name)
        return file if file is not None and file.owner == owner else None

    def _upload(self, asked: Asked, owner: str, now: float) -> Reply:
        limit = self._service.options.max_upload_bytes
        fields = {} if asked.body is None else read_form(asked.headers.get("content-type", ""), asked.body)
        content = fields.get("file")
        if asked.body is None or (content is not None and len(content.data) > limit):
            return _refuse(Refusal(413, f"The file is larger than {limit} bytes.", code="file_too_large"))
        if content is None or "purpose" not in fields:
            return _refuse(Refusal(400, "'file' and 'purpose' are required.", param="file"))
        self._uploads += 1
        name = self._shelf.new_id("file-")
        self._shelf.path(name).write_bytes(content.data)
        purpose = fields["purpose"].data.decode("utf-8", "replace")
        stored = StoredFile(name, owner, content.filename, purpose, len(content.data), int(now))
        self._shelf.files[name] = stored
        if self._faults.take("lost_upload", self._uploads):
            return Reply(b"", cut="close")
        return _json(stored.as_json())

    def _list_files(self, asked: Asked, owner: str) -> Reply:
        purpose = parse_qs(asked.query).get("purpose", [""])[0]
        mine = [one for one in self._shelf.files.values() if one.owner == owner and purpose in ("", one.purpose)]
        return self._page(asked, [one.as_json() for one in reversed(mine)])

    def _delete(self, name: str, owner: str) -> Reply:
        if self._file(name, owner) is None:
            return _missing("file", name)
        rule = self._faults.take("delete_fails", 1)
        if rule is not None:
            return _refuse(_fault(rule, 500))
        self._shelf.drop(name)
        return _json({"id": name, "object": "file", "deleted": True})

    def _content(self, asked: Asked, name: str, owner: str) -> Reply:
        if self._file(name, owner) is None:
            return _missing("file", name)
        path, start = self._shelf.path(name), 0
        size = path.stat().st_size
        wanted = asked.headers.get("range", "")
        if wanted.startswith("bytes=") and wanted.endswith("-") and wanted[6:-1].isdigit():
            start = int(wanted[6:-1])
            if start >= size:
                return Reply(b"", 416, [("content-range", f"bytes */{size}")])
        kind = ("content-type", "application/octet-stream")
        headers = [kind, ("content-range", f"bytes {start}-{size - 1}/{size}")] if start else [kind]
        reply = Reply(b"", 206 if start else 200, headers, file=path, start=start)
        of = next((one for one in self._shelf.batches.values() if name == one.output_file_id), None)
        rule = None if of is None else self._faults.take("cut_download", of.number)
        if rule is not None:
            reply.cut_at = int(size * rule.share)
        return reply

    # Batches

    def _batch(self, name: str, owner: str) -> StoredBatch | None:
        batch = self._shelf.batches.get(name)
        return batch if batch is not None and batch.owner == owner and batch.hidden != "vanished" else None

    def _create(self, asked: Asked, owner: str, now: float) -> Reply:
        try:
            given = json.loads(asked.body or b"")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return _refuse(Refusal(400, "We could not parse the JSON body of your request."))
        file = self._file(str(given.get("input_file_id")), owner)
        if file is None:
            return _refuse(Refusal(400, "No such file.", param="input_file_id", code="invalid_file"))
        if given.get("endpoint") != ENDPOINT or given.get("completion_window") != "24h":
            return _refuse(Refusal(400, "This server's batches are for /v1/embeddings within 24h.", param="endpoint"))
        metadata = given.get("metadata")
        if metadata is not None and not _is_metadata(metadata):
            return _refuse(Refusal(400, "Metadata has at most 16 short keys with short texts.", param="metadata"))
        self._created += 1
        name = self._shelf.new_id("batch_")
        batch = StoredBatch(name, owner, self._created, now, file.id, ENDPOINT, metadata, 0, 0, "")
        options = self._service.options
        others = [one for one in self._shelf.batches.values() if one.owner == owner and one.status not in FINAL]
        batch.errors = read_through(self._shelf.path(file.id), batch, options, self.ask) or queue_full(
            batch, others, options
        )
        rule = self._faults.take("failed", batch.number)
        if rule is not None:
            words = rule.message or "The batch could not be validated."
            batch.errors = [{"code": rule.code or "invalid_request", "message": words, "line": None, "param": None}]
        for fault in ("vanished", "unlisted"):
            if self._faults.take(fault, batch.number):
                batch.hidden = fault
        self._shelf.batches[name] = batch
        if self._faults.take("lost_create", batch.number):
            return Reply(b"", cut="close")
        return _json(batch.as_json(WINDOW))

    def ask(self, body: bytes) -> EmbeddingRequest | Refusal:
        """Reads one request's body, as the embeddings endpoint does."""
        return read_request(body, self._service.options, self._service.counter)

    def _list_batches(self, asked: Asked, owner: str, now: float) -> Reply:
        mine = [one for one in self._shelf.batches.values() if one.owner == owner and not one.hidden]
        for batch in mine:
            self._worker.look(batch, now)
        return self._page(asked, [one.as_json(WINDOW) for one in reversed(mine)])

    def _shown(self, batch: StoredBatch, now: float) -> Reply:
        self._worker.look(batch, now)
        return _json(batch.as_json(WINDOW))

    def _cancel(self, name: str, owner: str, now: float) -> Reply:
        batch = self._batch(name, owner)
        if batch is None:
            return _missing("batch", name)
        # The first look on the way takes it as far as it had come by now.
        if batch.status == "validating" and self._service.options.batch_seconds:
            self._worker.look(batch, now)
        if batch.status in FINAL:
            words = f"Cannot cancel a batch with status '{batch.status}'."
            return _refuse(Refusal(409, words, code="batch_not_cancellable"))
        if batch.status != "cancelling":
            batch.status = "cancelling"
            batch.at["cancelling"] = int(now)
        return _json(batch.as_json(WINDOW))

    def _page(self, asked: Asked, rows: list[dict[str, Any]]) -> Reply:
        rule = self._faults.take("list_fails", 1)
        if rule is not None:
            return _refuse(_fault(rule, 500))
        query = parse_qs(asked.query)
        limit = query.get("limit", [""])[0]
        after = query.get("after", [""])[0]
        start = next((place + 1 for place, row in enumerate(rows) if row["id"] == after), 0)
        page = rows[start : start + (int(limit) if limit.isdigit() else PAGE)]
        return _json(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": start + len(page) < len(rows),
            }
        )


def _is_metadata(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 16
        and all(isinstance(one, str) and len(one) <= 512 for one in value.values())
        and all(len(key) <= 64 for key in value)
    )


def _fault(rule: BatchRule, status: int) -> Refusal:
    words = rule.message or "The server had an error while processing your request."
    return Refusal(rule.status or status, words, type="server_error", code=rule.code)


def _missing(noun: str, name: str) -> Reply:
    words = f"No such {noun}: {json.dumps(name[:80])}"
    return _refuse(Refusal(404, words, code=None, param="id"))


def _refuse(refusal: Refusal) -> Reply:
    headers = [("content-type", "application/json"), *refusal.headers]
    return Reply(error_body(refusal), refusal.status, headers)


def _json(value: Any) -> Reply:
    return Reply(json.dumps(value).encode())
