"""The rehearsal's files and batches over real HTTP, asked by the real client."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer, expected_vector
from lanes import as_new

SMALL = "text-embedding-3-small"


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(RehearsalOptions(seed=7)) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    return as_new(shared)


@pytest.fixture
def client(server: RehearsalServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-any", max_retries=0, timeout=20) as one:
        yield one


def line(custom_id: str, text: str, **more: Any) -> str:
    body = {"model": SMALL, "input": text, "encoding_format": "base64", **more}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/embeddings", "body": body}) + "\n"


def upload(client: openai.OpenAI, *texts: str) -> str:
    content = "".join(line(f"id-{number}", text) for number, text in enumerate(texts))
    return client.files.create(file=("plan.jsonl", io.BytesIO(content.encode())), purpose="batch").id


def create(client: openai.OpenAI, *texts: str, plan: str = "p1") -> Any:
    return client.batches.create(
        completion_window="24h",
        endpoint="/v1/embeddings",
        input_file_id=upload(client, *texts),
        metadata={"plan": plan},
    )


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(one) for one in client.files.content(file_id).content.splitlines()]


TEXTS = [f"case {number} of many" for number in range(8)]


def test_a_batch_is_embedded_at_half_the_price(client: openai.OpenAI, server: RehearsalServer) -> None:
    batch = create(client, *TEXTS)
    assert batch.status == "validating" and batch.metadata == {"plan": "p1"}
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.error_file_id is None
    assert (batch.request_counts.total, batch.request_counts.completed) == (8, 8)
    found = lines_of(client, batch.output_file_id)
    assert [one["custom_id"] for one in found] != [f"id-{number}" for number in range(8)]  # in no order
    for one in found:
        text = TEXTS[int(one["custom_id"].removeprefix("id-"))]
        vector = np.frombuffer(base64.b64decode(one["response"]["body"]["data"][0]["embedding"]), "<f4")
        assert np.array_equal(vector, expected_vector(text, SMALL, None, 7))
    totals = server.totals()
    assert totals["batch_tokens"] == totals["billed_tokens"] == batch.usage.total_tokens > 0
    assert server.ledger()[0]["lane"] == "batch" and server.ledger()[0]["inputs"] == 8


def test_it_takes_its_time(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    batch = create(client, *TEXTS)
    seen = []
    for _ in range(4):
        now = client.batches.retrieve(batch.id)
        seen.append((now.status, now.request_counts.completed))
        server.advance(320)
    assert [status for status, _ in seen] == ["validating", "in_progress", "in_progress", "finalizing"]
    assert 0 < seen[1][1] < seen[2][1] < 8
    assert now.expires_at == now.created_at + 86_400
    server.advance(400)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_a_day_is_the_end_of_it(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=2 * 86_400)
    batch = create(client, *TEXTS)
    server.advance(86_400)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "expired"
    assert len(lines_of(client, batch.output_file_id)) == 4
    errors = lines_of(client, batch.error_file_id)
    assert len(errors) == 4 and {one["error"]["code"] for one in errors} == {"batch_expired"}


def test_cancelling_keeps_what_is_done(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    batch = create(client, *TEXTS)
    server.advance(500)
    assert client.batches.retrieve(batch.id).status == "in_progress"
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "cancelled" and len(lines_of(client, batch.output_file_id)) == 4
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_lists_are_paged_and_by_key(client: openai.OpenAI, server: RehearsalServer) -> None:
    ids = [create(client, "one", plan=str(number)).id for number in range(5)]
    assert [one.id for one in client.batches.list(limit=2)] == ids[::-1]
    assert len(list(client.files.list(purpose="batch", limit=2))) == 5
    stranger = client.with_options(api_key="sk-other")
    assert list(stranger.batches.list()) == [] and list(stranger.files.list()) == []
    with pytest.raises(openai.NotFoundError):
        stranger.batches.retrieve(ids[0])


def test_files_are_read_in_part_and_deleted(client: openai.OpenAI) -> None:
    name = upload(client, "one", "two")
    whole = client.files.content(name).content
    rest = client.files.with_raw_response.content(name, extra_headers={"Range": "bytes=10-"})
    assert rest.http_response.status_code == 206 and rest.content == whole[10:]
    assert client.files.delete(name).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(name)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("nonsense\n", "invalid_json_line"),
        (line("a", "x") + line("a", "y"), "duplicate_custom_id"),
        (line("a", "x") + line("b", "y", model="text-embedding-3-large"), "mismatched_model"),
        ("\n", "empty_file"),
    ],
)
def test_a_wrong_file_fails(client: openai.OpenAI, content: str, code: str) -> None:
    name = client.files.create(file=("plan.jsonl", content.encode()), purpose="batch").id
    batch = client.batches.create(completion_window="24h", endpoint="/v1/embeddings", input_file_id=name)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "failed" and batch.errors.data[0].code == code  # type: ignore[union-attr,index]


def test_the_queue_has_an_end(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(enqueued_token_limit=60, batch_seconds=10)
    first, second = create(client, *TEXTS), create(client, *TEXTS)
    second = client.batches.retrieve(second.id)
    assert second.status == "failed"
    assert second.errors.data[0].code == "token_limit_exceeded"
    assert "Limit: 60 enqueued tokens" in second.errors.data[0].message
    server.advance(10)
    assert client.batches.retrieve(first.id).status == "completed"
    third = create(client, *TEXTS)
    assert client.batches.retrieve(third.id).status == "validating"


@pytest.mark.parametrize("fault", ["lost_create", "lost_upload"])
def test_lost_answers(client: openai.OpenAI, server: RehearsalServer, fault: str) -> None:
    server.set_options(batch_faults=[{"fault": fault}])
    with pytest.raises(openai.APIConnectionError):
        create(client, "one")
    assert len(list(client.files.list())) == 1
    assert len(list(client.batches.list())) == (fault == "lost_create")


def test_outputs_go_wrong(client: openai.OpenAI, server: RehearsalServer) -> None:
    def content(fault: str, **more: Any) -> bytes:
        server.set_options(batch_faults=[{"fault": fault, **more}])
        batch = client.batches.retrieve(create(client, *TEXTS).id)
        return client.files.content(batch.output_file_id or "").content

    assert not content("truncated").endswith(b"\n")
    assert len(gzip.decompress(content("gzipped")).splitlines()) == 8
    assert len(content("missing_line").splitlines()) == 7
    assert b"nobody-asked-for-this" in content("unknown_id")
    ids = [json.loads(one)["custom_id"] for one in content("doubled_id").splitlines()]
    assert len(ids) == 9 and len(set(ids)) == 8
    assert len({len(one) for one in content("short_vector").splitlines()}) > 1
    with pytest.raises(openai.APIConnectionError):
        content("cut_download", share=0.5)


def test_errors_go_into_their_own_file(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "errors_only", "status": 400, "message": "no", "at": [1]}])
    batch = client.batches.retrieve(create(client, "one", "two").id)
    assert batch.status == "completed" and batch.output_file_id is None
    errors = lines_of(client, batch.error_file_id)
    assert [one["response"]["body"]["error"]["message"] for one in errors] == ["no", "no"]
    assert server.totals()["billed_tokens"] == 0


def test_what_vanished_and_what_fails(client: openai.OpenAI, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "vanished", "at": [1]}, {"fault": "delete_fails"}])
    batch = create(client, "one")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert client.files.retrieve(batch.input_file_id).id == batch.input_file_id
    with pytest.raises(openai.InternalServerError):
        client.files.delete(batch.input_file_id)
    server.set_options(batch_faults=[{"fault": "list_fails"}])
    with pytest.raises(openai.InternalServerError):
        client.batches.list()
    server.set_options(batch_api=False)
    with pytest.raises(openai.NotFoundError):
        client.batches.list()


def test_a_shelf_outlasts_its_server(tmp_path: Path) -> None:
    options = RehearsalOptions(seed=7, batch_folder=str(tmp_path / "shelf"), batch_seconds=1000)
    with RehearsalServer.start(options) as first, openai.OpenAI(base_url=first.base_url, api_key="k") as client:
        name = create(client, *TEXTS).id
    with RehearsalServer.start(options) as second, openai.OpenAI(base_url=second.base_url, api_key="k") as client:
        second.advance(1000)
        batch = client.batches.retrieve(name)
        assert batch.status == "completed" and len(lines_of(client, batch.output_file_id)) == 8


def test_unknown_faults_are_refused() -> None:
    for wrong in ({"fault": "meteor"}, {"fault": "expired", "share": 2}, {"fault": "failed", "seven": 7}):
        with pytest.raises(ValueError):
            RehearsalOptions(batch_faults=[wrong])
