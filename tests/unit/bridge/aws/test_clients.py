"""The clients' timeouts and attempts."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.aws import clients


def test_connect_is_called_once_with_the_configured_read_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = clients.connect(read_timeout=3.5).meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (1, 3.5)


def test_a_receipt_is_written_by_one_attempt_of_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DEFAULT_REGION", "us-east-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    config: Any = clients.dynamodb_single_attempt().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 1


def test_a_hanging_call_is_given_up_early_where_answers_usually_come_soon() -> None:
    waited: list[float] = []

    class Client:
        def __init__(self, timeout: float) -> None:
            self._timeout = timeout

        def send_message(self, **_: object) -> None:
            waited.append(self._timeout)

        def start_chat_contact(self, **_: object) -> None:
            waited.append(self._timeout)

    client: Any = clients.adaptive_client(Client, longest=5)
    for _ in range(11):
        client.send_message()
    client.start_chat_contact()
    assert waited == [5] * 10 + [2, 5], "each operation has a latency of its own"
