"""A small HTTP/1.1 server and proxy for SDKs and the runtime interface client. It can reset connections on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

_LARGEST_HEAD = 64 * 1024
_NO_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Request:
    """`head`: request line and headers as received. `headers`: by name in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def serialised(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode("latin-1") + self.body


Handler = Callable[[Request], Awaitable[Answer | None]]
"""None resets the connection."""


class Server:
    """Serves one handler on a free port of the loopback interface."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler, self._tls = handler, tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_LARGEST_HEAD, backlog=512, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server:
            self._server.close()
        connections = [*self._connections]
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read(reader, writer)) is not None:
                answer = await self._handler(request)
                if answer is None:
                    reset(writer)
                    return
                writer.write(answer.serialised())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller is gone, perhaps killed
        finally:
            self._connections.discard(task)
            await _closed(writer)


class Upstream:
    """Forwards requests to a server over persistent connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def ask(self, request: Request) -> Answer:
        """Raises ConnectionError or IncompleteReadError without a complete response."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                break
            await _closed(writer)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LARGEST_HEAD)
        try:
            writer.write(request.head + request.body)
            status, headers = _parse(await reader.readuntil(b"\r\n\r\n"))
            number = int(status.split(" ", 2)[1])
            body = b"" if number in _NO_BODY else await _body(reader, headers)
        except BaseException:
            await _closed(writer)
            raise
        self._idle.append((reader, writer))
        kept = ("content-type", "x-amzn-requestid", "x-amz-crc32", "x-amzn-errortype")
        return Answer(number, body, {name: headers[name] for name in kept if name in headers})

    async def close(self) -> None:
        while self._idle:
            await _closed(self._idle.pop()[1])


def reset(writer: asyncio.StreamWriter) -> None:
    """Lingering for 0 s makes the kernel send RST rather than FIN."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, headers = _parse(head)
    if "100-continue" in headers.get("expect", ""):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    method, path, _ = line.split(" ", 2)
    return Request(method, path, headers, head, await _body(reader, headers))


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunks = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            chunks.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(chunks)
    length = int(headers.get("content-length", 0))
    return await reader.readexactly(length) if length else b""
