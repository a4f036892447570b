"""`python -m sandbox.simulator --port N [--aws URL]`: the simulator as a process, on loopback."""

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

from sandbox.call_recorder import Recorder
from sandbox.simulator.app import create_app
from sandbox.simulator.contact_centre import ContactCentre
from sandbox.simulator.streaming import SnsPublisher, unpublished

_connections: dict[tuple[str, int], asyncio.BaseTransport] = {}


class Protocol(H11Protocol):
    """uvicorn's protocol, which also registers each connection so that `cut` can reset it."""

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
        # With a linger time of 0 s the kernel sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=4567)
    parser.add_argument(
        "--aws", metavar="URL", help="endpoint of the local AWS with the SNS topics for message streaming"
    )
    parser.add_argument("--calls", metavar="FILE", type=Path, help="record the calls of the functions in this file")
    options = parser.parse_args()
    publish = SnsPublisher(options.aws) if options.aws else unpublished
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
