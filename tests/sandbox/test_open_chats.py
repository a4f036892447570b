"""The open chats in a real table: what tests/unit/test_chats.py asks of the model."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.lifecycle import Sandbox
from tests.unit import test_chats
from tests.unit.test_chats import Open

globals().update({name: test for name, test in vars(test_chats).items() if name.startswith("test_")})


@pytest.fixture(scope="module")
def dynamodb(sandbox: Sandbox) -> Any:
    return sandbox.client("dynamodb")


@pytest.fixture
def opened(sandbox: Sandbox, dynamodb: Any) -> Open:
    return Open(dynamodb, sandbox.outputs["ChatsTableName"])
