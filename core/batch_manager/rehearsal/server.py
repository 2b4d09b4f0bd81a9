"""HTTP/1.1 on loopback: asyncio moves the bytes, h11 reads them, `Service` decides.

Sockets stay within reach because some faults are about them: a reset is a real TCP reset, and silence is a
connection on which nothing comes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import h11

from batch_manager.rehearsal.batches import Asked
from batch_manager.rehearsal.ledger import totals
from batch_manager.rehearsal.reply import Reply
from batch_manager.rehearsal.service import Service

HOST = "127.0.0.1"
CHUNK = 262_144
CONTROL = "/_rehearsal/"
BATCH_PATHS = ("/v1/files", "/v1/batches")
FORM_BYTES = 65_536
"""Bytes of an upload's form around its file."""


class Connection:
    """One client's connection, kept alive for as many requests as the client likes."""

    def __init__(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.service = service
        self.reader = reader
        self.writer = writer
        self.wire = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        # With no slack, drain() returns only when every byte is with the kernel: that is "delivered".
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Answers requests until either side closes."""
        try:
            while await self._serve_one():
                self.wire.start_next_cycle()
        except (ConnectionError, asyncio.CancelledError):
            # The client has left, or the server ends; the ledger has been told where the request was.
            pass
        finally:
            self.writer.close()

    async def _serve_one(self) -> bool:
        """Reads and answers one request; whether the connection can be used again."""
        try:
            request = await self._event()
            if not isinstance(request, h11.Request):
                return False
            body = await self._body(self._body_limit(request))
        except h11.RemoteProtocolError as error:
            if self.wire.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                await self._send(_error(400, f"Malformed HTTP: {error}"))
            return False
        reply = self._route(request, body)
        try:
            return await self._carry_out(reply)
        finally:
            if reply.entry is not None:
                self.service.ledger.finish(reply.entry, delivered=False)

    def _body_limit(self, request: h11.Request) -> int:
        options = self.service.options
        upload = request.target.startswith(b"/v1/files")
        return options.max_upload_bytes + FORM_BYTES if upload else options.max_body_bytes

    async def _event(self) -> Any:
        while True:
            event = self.wire.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.wire.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self.writer.write(self.wire.send(go_on) or b"")
            self.wire.receive_data(await self.reader.read(CHUNK))

    async def _body(self, limit: int) -> bytes | None:
        """The body, or None when it is larger than the limit (it is read to its end all the same)."""
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._event()
            if isinstance(event, h11.Data):
                size += len(event.data)
                # Reading on without keeping lets the client finish sending and see the refusal.
                if size <= limit:
                    parts.append(bytes(event.data))
                else:
                    parts.clear()
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(parts) if size <= limit else None
            else:
                raise ConnectionResetError("the client left in the middle of a request")

    def _route(self, request: h11.Request, body: bytes | None) -> Reply:
        method = request.method.decode("ascii")
        path, _, query = request.target.decode("ascii", "replace").partition("?")
        if path.startswith(CONTROL):
            return self._control(method, path.removeprefix(CONTROL), body or b"")
        if path == "/v1/embeddings" and method == "POST":
            headers = dict(request.headers)
            key = headers.get(b"authorization")
            authorization = None if key is None else key.decode("latin-1")
            return self.service.answer(authorization, body, time.time(), time.monotonic())
        if path == "/v1/models" and method == "GET":
            return Reply(self.service.models())
        if path.startswith(BATCH_PATHS) and self.service.options.batch_api:
            told = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers}
            return self.service.batches.answer(Asked(method, path, query, told, body), time.time())
        if path in {"/v1/embeddings", "/v1/models"}:
            return _error(405, f"Not allowed to {method} on {path}")
        return _error(404, f"Invalid URL ({method} {path})")

    def _control(self, method: str, name: str, body: bytes) -> Reply:
        service = self.service
        try:
            match method, name:
                case "GET", "ledger":
                    return _json(service.ledger.rows())
                case "GET", "totals":
                    return _json(totals(service.ledger.entries))
                case "DELETE", "ledger":
                    service.restart()
                case "PUT", "faults":
                    service.set_faults(json.loads(body))
                case "PUT", "options":
                    service.set_options(json.loads(body))
                case "PUT", "clock":
                    service.batches.advance(float(json.loads(body)["seconds"]))
                case "DELETE", "batches":
                    service.batches.clear()
                case _:
                    return _error(404, f"Invalid URL ({method} {CONTROL}{name})")
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return _error(400, str(error))
        return _json({"ok": True})

    async def _carry_out(self, reply: Reply) -> bool:
        arrived = time.monotonic() if reply.entry is None else reply.entry.monotonic
        if not await self._still_there(arrived + reply.delay):
            return False
        if reply.cut == "reset":
            self._reset()
            return False
        if reply.cut == "close":
            return False
        if reply.file is not None:
            return await self._send_file(reply, reply.file)
        await self._send(reply)
        if reply.entry is not None:
            self.service.ledger.finish(reply.entry, delivered=not self.reader.at_eof())
        return self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE

    async def _still_there(self, due: float) -> bool:
        """Waits until a moment of the monotonic clock, unless the client hangs up before; whether it did not."""
        seconds = due - time.monotonic()
        if seconds <= 0:
            return True
        try:
            early = await asyncio.wait_for(self.reader.read(CHUNK), seconds)
        except TimeoutError:
            return True
        if not early:
            return False
        # The next request came before this one was answered (pipelining): keep it for its turn.
        self.wire.receive_data(early)
        await asyncio.sleep(due - time.monotonic())
        return True

    async def _send(self, reply: Reply) -> None:
        headers = [*(reply.headers or [("content-type", "application/json")])]
        headers.append(("content-length", str(len(reply.body))))
        answer = h11.Response(status_code=reply.status, headers=headers)
        for event in (answer, h11.Data(data=reply.body), h11.EndOfMessage()):
            self.writer.write(self.wire.send(event) or b"")
        await self.writer.drain()

    async def _send_file(self, reply: Reply, path: Path) -> bool:
        """Streams a file; whether the connection can be used again."""
        left = path.stat().st_size - reply.start
        headers = [*(reply.headers or []), ("content-length", str(left))]
        self.writer.write(self.wire.send(h11.Response(status_code=reply.status, headers=headers)) or b"")
        room = left if reply.cut_at is None else max(0, reply.cut_at - reply.start)
        with path.open("rb") as file:
            file.seek(reply.start)
            while room > 0 and (piece := file.read(min(CHUNK, room))):
                room -= len(piece)
                self.writer.write(self.wire.send(h11.Data(data=piece)) or b"")
                await self.writer.drain()
        if reply.cut_at is not None:
            return False
        self.writer.write(self.wire.send(h11.EndOfMessage()) or b"")
        await self.writer.drain()
        return self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE

    def _reset(self) -> None:
        # Lingering for zero seconds makes closing send RST instead of FIN.
        raw: socket.socket = self.writer.get_extra_info("socket")
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


def _json(value: Any) -> Reply:
    return Reply(json.dumps(value).encode())


def _error(status: int, message: str) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Reply(json.dumps({"error": error}).encode(), status)


async def listen(service: Service) -> tuple[asyncio.Server, int]:
    """Starts to listen on 127.0.0.1.

    Returns:
        The server and its port.

    Raises:
        OSError: The port is taken.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(service, reader, writer).serve()

    server = await asyncio.start_server(serve, HOST, service.options.port, limit=CHUNK, backlog=256)
    return server, server.sockets[0].getsockname()[1]
