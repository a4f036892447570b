"""`python -m sandbox.double --port N [--aws URL]`: the double as a process of its own, on loopback."""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.calls import Recorder
from sandbox.double.app import create_app
from sandbox.double.connect import ACCOUNT, ContactCentre
from sandbox.double.streaming import SnsPublisher, unpublished

_connections: dict[tuple[str, int], asyncio.BaseTransport] = {}


class Protocol(H11Protocol):
    """uvicorn's own, which also remembers each caller's connection so that `cut` can reset it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _connections[transport.get_extra_info("peername")[:2]] = transport
        self._peer = transport.get_extra_info("peername")[:2]

    def connection_lost(self, exc: Exception | None) -> None:
        _connections.pop(self._peer, None)
        super().connection_lost(exc)


def cut(scope: Scope) -> None:
    transport = _connections.get(tuple(scope["client"]))
    if isinstance(transport, asyncio.WriteTransport):
        # Lingering for 0 s makes the kernel send RST rather than FIN.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.double", description=__doc__)
    parser.add_argument("--port", type=int, default=4567)
    parser.add_argument("--aws", metavar="URL", help="endpoint of the local AWS whose SNS topics chats are streamed to")
    parser.add_argument("--calls", metavar="FILE", type=Path, help="record there which calls functions make")
    options = parser.parse_args()
    publish = SnsPublisher(options.aws, account=ACCOUNT) if options.aws else unpublished
    app: Any = create_app(ContactCentre(publish=publish), cut=cut)
    uvicorn.run(
        Recorder(app, options.calls) if options.calls else app,
        host="127.0.0.1",
        port=options.port,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
