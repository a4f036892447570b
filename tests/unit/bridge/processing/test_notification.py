"""SNS records: what is read of them, and their way through a queue unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedNotificationError
from bridge.processing.notification import SnsNotification, valid_key
from testing.builders import payload, record
from testing.clock import NOON


@pytest.mark.parametrize("sns", [{"MessageId": None}, {"MessageId": ""}, {"Message": None}, {"Message": {"a": 1}}])
def test_a_record_without_the_fields_of_sns_is_malformed(sns: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        SnsNotification.from_record(record(**sns))


@pytest.mark.parametrize("what", [None, 1, "text", [], {}, {"Sns": None}, {"Sns": "text"}])
def test_a_value_that_is_not_a_record_is_malformed(what: object) -> None:
    with pytest.raises(MalformedNotificationError, match="not from SNS"):
        SnsNotification.from_record(what)


def test_a_notification_goes_through_a_queue_message_unchanged() -> None:
    came = record(payload("grüße 👋 \ud800 \u0000"))
    again = SnsNotification.from_json(SnsNotification.from_record(came).to_json())
    assert again.record == came
    assert SnsNotification.from_record(came).to_json().isascii()


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [("2026-11-22T12:00:00.000Z", NOON), ("2026-11-22T12:00:00", NOON), ("yesterday", None), ("", None)],
)
def test_a_timestamp_is_read_and_an_unreadable_one_is_none(timestamp: str, expected: object) -> None:
    assert SnsNotification.from_record(record(sent_at=timestamp)).sent_at == expected


@given(st.text(), st.text())
def test_different_ids_have_different_keys(one: str, other: str) -> None:
    assert (valid_key(one) == valid_key(other)) == (one == other)
