"""The tests of chat sessions, on a real table."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.lifecycle import Sandbox
from testing.chat_sessions import TESTS, Open

globals().update(TESTS)


@pytest.fixture(scope="module")
def dynamodb(sandbox: Sandbox) -> Any:
    return sandbox.client("dynamodb")


@pytest.fixture
def opened(sandbox: Sandbox, dynamodb: Any) -> Open:
    return Open(dynamodb, sandbox.outputs["ChatsTableName"])
