"""One deployment for all tests of this folder; each test gets it ready for a text and leaves it so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.local import Sandbox
from tests.sandbox.texts import Phones


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """On free ports and with a name of its own, so that tests run beside anybody's sandbox."""
    local = Sandbox.up(
        name=f"tests-{os.getpid()}", port=0, double_port=0, config=Path(__file__).with_name("bridge.toml")
    )
    try:
        yield local
    finally:
        local.down()


@pytest.fixture
def phones(sandbox: Sandbox) -> Iterator[Phones]:
    """The deployed bridge with an empty contact centre that refuses nothing."""
    phones = Phones(sandbox)
    phones.double.reset()
    yield phones
    phones.double.clear_faults()
    phones.double.close()
