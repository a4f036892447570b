"""The reply function: what it logs and counts."""

from __future__ import annotations

import io
import json

import pytest

from bridge import logging
from bridge.errors import (
    RejectedError,
    UnavailableError,
)
from testing.builders import BUSINESS_NUMBER, CUSTOMER, record
from testing.chat_events import chat_record, item, queued
from testing.harness import IntakeHarness, ReplyHarness

LIST = json.dumps({"data": {"content": {"title": "Which?", "elements": [{"title": "Apple"}, {"title": "Orange"}]}}})
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_no_content_and_no_number_is_logged_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logging.logger.registered_handler, "stream", log)
    logging.logger.setLevel("DEBUG")
    for answer in (UnavailableError("500"), KeyError(f"secret {CUSTOMER}"), RejectedError("400"), None):
        harness = ReplyHarness(answers=[answer] if answer else [])
        harness.handle(
            queued(item("secret words")), queued(item(LIST.replace("Apple", "secret"), ContentType=INTERACTIVE))
        )
    intake = IntakeHarness("reply")
    intake.handle(record("secret words"), chat_record(item("secret", InitialContactId="secret words")))
    printed = log.getvalue() + json.dumps(logging.metrics.serialize_metric_set())
    assert "reply returned to its queue" in printed and "reply failed" in printed and "reply forwarded" in printed
    for secret in ("secret", CUSTOMER[1:], BUSINESS_NUMBER[1:]):
        assert secret not in printed
    assert CUSTOMER[1:] not in repr(ReplyHarness().chats.participants_of)
