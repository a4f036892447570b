"""The functions' settings, read from their environment."""

from __future__ import annotations

import pytest

from bridge import logging
from bridge.config import ForwardSettings, IntakeSettings, ReplyIntakeSettings, ReplySettings


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_settings_are_read_by_name_and_a_missing_one_is_named() -> None:
    environment = {"CONVERSATIONS_QUEUE_URL": "a", "FAILED_QUEUE_URL": "b", "LEDGER_TABLE": "c", "OTHER": "d"}
    assert ForwardSettings.from_environment(environment).ledger_table == "c"
    with pytest.raises(KeyError, match="FAILED_QUEUE_URL"):
        IntakeSettings.from_environment({"CONVERSATIONS_QUEUE_URL": "a"})


def test_the_settings_of_replies_are_read_by_name() -> None:
    environment = {"REPLIES_QUEUE_URL": "a", "FAILED_QUEUE_URL": "b", "LEDGER_TABLE": "c", "CHATS_TABLE": "d"}
    assert ReplySettings.from_environment(environment).chats_table == "d"
    assert ReplyIntakeSettings.from_environment(environment).replies_queue_url == "a"
