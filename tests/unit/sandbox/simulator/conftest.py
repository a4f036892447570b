"""A simulator of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testing.simulator import SimulatorHarness


@pytest.fixture
def simulator() -> Iterator[SimulatorHarness]:
    with SimulatorHarness.started() as harness:
        yield harness
