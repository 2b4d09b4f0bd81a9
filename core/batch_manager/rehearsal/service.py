"""The embeddings service without sockets: a request's bytes in, the decision how to answer it out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

from batch_manager.rehearsal.answers import HTML_PAGE, embeddings_body, error_body, refusal_of
from batch_manager.rehearsal.batches import Batches
from batch_manager.rehearsal.faults import REFUSALS, Rule, choose, parse_rules, seeded_fraction
from batch_manager.rehearsal.ledger import Entry, Ledger
from batch_manager.rehearsal.limits import NATIVE_DIMENSIONS, RateMeters, Refusal, check_key
from batch_manager.rehearsal.options import RehearsalOptions
from batch_manager.rehearsal.reply import Headers, Reply
from batch_manager.rehearsal.request import EmbeddingRequest, TokenCounter, read_request
from batch_manager.rehearsal.vectors import make_embedder


class Service:
    """Everything the server remembers: options, faults used up, meters, ledger."""

    def __init__(self, options: RehearsalOptions) -> None:
        """Gets ready to answer.

        Raises:
            OSError: The ledger's file cannot be written.
        """
        self.options = options
        self.ledger = Ledger(options.ledger_file)
        self.counter = TokenCounter()
        self.embedder = make_embedder(options.vectors, options.seed)
        self.rules: tuple[Rule, ...] = parse_rules(options.faults)
        self.batches = Batches(self)
        self.restart()

    def restart(self) -> None:
        """Numbers requests from 1 again, with full meters, no fault used up and an empty ledger."""
        self.number = 0
        self.fired = [0] * len(self.rules)
        self._fill_meters()
        self.ledger.clear()
        self.batches.restart()

    def set_faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Replaces the fault rules; none of the new ones is used up.

        Raises:
            ValueError: A rule is wrong.
        """
        self.set_options({"faults": faults})

    def set_options(self, changes: Mapping[str, Any]) -> None:
        """Changes some options; what they do not touch goes on.

        Raises:
            ValueError: A name or a value is wrong; nothing is changed then.
        """
        old, new = self.options, self.options.changed(changes)
        if (old.vectors, old.seed) != (new.vectors, new.seed):
            self.embedder = make_embedder(new.vectors, new.seed)
        self.options = new
        if "faults" in changes:
            self.rules = parse_rules(new.faults)
            self.fired = [0] * len(self.rules)
        if "batch_faults" in changes:
            self.batches.restart()
        if changes.keys() & {"requests_per_minute", "tokens_per_minute", "burst_seconds"}:
            self._fill_meters()

    def _fill_meters(self) -> None:
        options = self.options
        self.meters = RateMeters(options.requests_per_minute, options.tokens_per_minute, options.burst_seconds)

    def models(self) -> bytes:
        """The body of ``GET /v1/models``."""
        names = [*NATIVE_DIMENSIONS, *self.options.extra_models]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "rehearsal"} for name in names]
        return json.dumps({"object": "list", "data": data}).encode()

    def answer(self, authorization: str | None, body: bytes | None, wall: float, monotonic: float) -> Reply:
        """Decides on ``POST /v1/embeddings`` and opens its line in the ledger.

        Args:
            authorization: The header, or None.
            body: The request's body, or None when it was larger than allowed.
            wall: Wall clock, seconds since 1970.
            monotonic: Monotonic clock, seconds; drives the rate meters.
        """
        self.number += 1
        entry = self.ledger.open(self.number, wall, monotonic)
        asked: EmbeddingRequest | Refusal
        refused_key = check_key(authorization, self.options.key)
        if refused_key is not None:
            # An unknown caller has no account whose meter could be charged.
            return self._refuse(entry, refused_key)
        if body is None:
            limit = self.options.max_body_bytes
            asked = Refusal(413, f"The body is larger than {limit} bytes.", code="request_too_large")
        else:
            asked = read_request(body, self.options, self.counter)
        if isinstance(asked, EmbeddingRequest):
            entry.model = asked.model
            entry.inputs = len(asked.texts)
            entry.tokens = asked.total_tokens
            if self.options.keep_hashes:
                entry.hashes = [digest.hex() for digest in asked.digests]
        model = asked.model if isinstance(asked, EmbeddingRequest) else "this model"
        over = self.meters.charge(monotonic, entry.tokens, model)
        index = None
        if isinstance(asked, EmbeddingRequest):
            index = choose(self.rules, self.fired, self.options.seed, entry.n, asked.texts)
        rule = None if index is None else self.rules[index]
        # What was ordered happens even to a request that came too fast, or nobody could count on a fault.
        # Only work is not done past a limit.
        if over is not None and (rule is None or rule.bills()):
            return self._refuse(entry, over)
        if isinstance(asked, Refusal):
            return self._refuse(entry, asked)
        if index is not None:
            self.fired[index] += 1
        return self._embed(entry, asked, rule, wall)

    def _embed(self, entry: Entry, asked: EmbeddingRequest, rule: Rule | None, wall: float) -> Reply:
        seed = self.options.seed
        delay = self._latency(entry)
        if rule is not None:
            entry.outcome = rule.fault
        entry.billed = True if rule is None else rule.bills()
        entry.billed_tokens = entry.tokens if entry.billed else 0
        if rule is not None and rule.fault in REFUSALS:
            headers = dict(refusal_of(rule).headers)
            if rule.retry_after_date and rule.retry_after is not None:
                headers["retry-after"] = formatdate(wall + delay + rule.retry_after, usegmt=True)
            reply = self._refuse(entry, refusal_of(rule), outcome=rule.fault)
            reply.headers = [*self._headers(entry), *headers.items()]
            return reply
        if rule is not None and rule.fault in ("reset", "reset_after"):
            return Reply(b"", delay=delay, cut="reset", entry=entry)
        if rule is not None and rule.fault == "stall":
            delay += rule.seconds
            if not entry.billed:
                return Reply(b"", delay=delay, cut="close", entry=entry)
        if rule is not None and rule.fault == "html":
            entry.status = rule.status or 502
            headers_html = [("content-type", "text/html; charset=utf-8")]
            return Reply(HTML_PAGE, entry.status, headers_html, delay, entry=entry)
        vectors = self.embedder.embed(asked.texts, asked.digests, asked.model, asked.native, asked.dimensions)
        entry.status = 200
        body = embeddings_body(asked, vectors, rule, seed, entry.n)
        return Reply(body, 200, self._headers(entry), delay, entry=entry)

    def _refuse(self, entry: Entry, refusal: Refusal, outcome: str | None = None) -> Reply:
        entry.status = refusal.status
        entry.outcome = outcome or refusal.outcome
        headers = [*self._headers(entry), *refusal.headers]
        return Reply(error_body(refusal), refusal.status, headers, self._latency(entry), entry=entry)

    def _headers(self, entry: Entry) -> Headers:
        request_id = f"req_{int(seeded_fraction(self.options.seed, 'id', entry.n) * 2**52):013x}{entry.n:07d}"
        headers = [("content-type", "application/json"), ("x-request-id", request_id)]
        if self.options.rate_headers:
            headers += self.meters.headers()
        return headers

    def _latency(self, entry: Entry) -> float:
        options = self.options
        spread = seeded_fraction(options.seed, "latency", entry.n) * 2 - 1
        milliseconds = options.latency_ms + spread * options.latency_jitter_ms
        return max(milliseconds + entry.tokens * options.latency_ms_per_token, 0.0) / 1000
