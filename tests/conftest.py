"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A test says what must hold, not how fast: the machines that run it are shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SANDBOX = Path(__file__).with_name("sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers: one has the sandbox, where tests wait more than they compute; the other has all the rest."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("sandbox" if _SANDBOX in item.path.parents else "rest"))
