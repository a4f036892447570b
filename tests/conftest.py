"""Applies to all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No deadline: the machines that run tests are shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest.register_assert_rewrite("testing.chat_sessions")  # it holds tests

_USERS_FILE = Path(__file__).resolve().parents[1] / "bridge.toml"


def _refuse_the_users_file(event: str, arguments: tuple[Any, ...]) -> None:
    """A test that reads bridge.toml fails: users edit that file."""
    if event == "open" and str(arguments[0]).endswith("bridge.toml") and Path(arguments[0]).resolve() == _USERS_FILE:
        raise AssertionError("tests have configurations of their own; bridge.toml, as shipped, is docs/bridge.toml")


sys.addaudithook(_refuse_the_users_file)
