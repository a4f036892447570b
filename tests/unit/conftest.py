"""Unit tests open no sockets."""

from __future__ import annotations

import os
import socket

import pytest

from bridge.config import Delivery
from testing.account import account as account  # a fixture
from testing.builders import DELIVERIES

os.environ |= {"POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect", "POWERTOOLS_SERVICE_NAME": "unit-tests"}


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a unit test opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture(params=DELIVERIES)
def delivery(request: pytest.FixtureRequest) -> Delivery:
    """Of a test that asks for it, twice: what it says holds of either way into a chat."""
    way: Delivery = request.param
    return way
