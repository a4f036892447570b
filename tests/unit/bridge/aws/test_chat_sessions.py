"""Chat sessions on a model of the table; tests/sandbox/test_open_chats.py runs the same tests on a real one."""

from __future__ import annotations

import pytest

from testing.chat_sessions import TESTS, Open
from testing.models.table import Table

globals().update(TESTS)


@pytest.fixture
def opened() -> Open:
    return Open(Table(by="chat_key"), "chats")
