"""A text to a phone whose answer is lost: it is sent again, marked, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge import logging
from bridge.errors import AccessRefusedError, AnswerLostError, NotDeliverableError, UnavailableError
from testing.builders import ARN, CUSTOMER, with_limits
from testing.chat_events import CHAT, item, queued
from testing.clock import NOON
from testing.harness import ReplyHarness
from testing.metrics import counted

DONE: dict[str, list[str]] = {"batchItemFailures": []}
NO_ANSWER = AnswerLostError("End User Messaging did not answer (ReadTimeoutError)")
MAYBE = "[The text to the customer may not have been delivered: no answer came, and it is not sent again.]"


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def test_a_lost_response_is_the_only_reason_to_send_a_reply_twice() -> None:
    """The API has no client token, so a call whose response was lost has to be repeated."""
    harness = ReplyHarness()

    def lost(body: str) -> None:
        harness.phones.sent.append((CUSTOMER, ARN, body))
        raise AnswerLostError("the answer was lost")

    harness.phones.answers = [lost]
    assert harness.handle(queued(item("hi", Id="one"))) == DONE
    assert harness.phones.bodies == ["hi", "hi"]
    recorded = harness.ledger.record("reply-one")
    assert (recorded.attempts, recorded.attributes["possible_duplicates"]) == (2, "1")
    assert counted() == {"RepliesSent": 1, "PartsSent": 1, "PossibleDuplicates": 1}


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_text_is_sent_at_most_as_often_as_answers_may_be_lost(most: int) -> None:
    harness = ReplyHarness(with_limits(max_lost_answers=most), answers=[NO_ANSWER] * 10)
    assert harness.handle(queued(item("hi", Id="one"))) == DONE
    assert len(harness.phones.calls) == most
    (dead,) = harness.dead_letters.messages
    assert (dead.key, dead.error.code, dead.attempts) == ("reply-one", "MaybeDeliveredError", most)
    assert harness.ledger.record("reply-one").attributes["lost_answers"] == str(most)


def test_the_agent_is_told_that_the_text_may_not_have_been_delivered() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER] * 2)
    harness.handle(queued(item("hi")), queued(item("the next")))
    assert harness.agents.told == [(CHAT, MAYBE)]
    assert harness.phones.bodies == ["the next"]
    assert counted() == {"RepliesFailed": 1, "FailedMaybeDeliveredError": 1, "RepliesSent": 1, "PartsSent": 1}


def test_lost_answers_are_counted_over_batches() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER, AccessRefusedError("403"), NO_ANSWER])
    text = queued(item("hi", Id="one"))
    harness.handle(text)
    assert harness.ledger.record("reply-one").attributes["lost_answers"] == "1"
    assert harness.handle(text) == DONE
    assert harness.dead_letters.messages[0].error.code == "MaybeDeliveredError"


def test_lost_answers_of_one_part_do_not_count_for_the_next() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER, lambda _: None, NO_ANSWER])
    assert harness.handle(queued(item("word " * 400, Id="long"))) == DONE
    assert "".join(harness.phones.bodies) == "word " * 400
    assert harness.ledger.record("reply-long").attributes["possible_duplicates"] == "2"
    assert counted()["PossibleDuplicates"] == 2


def test_an_answer_that_says_no_is_no_lost_one() -> None:
    harness = ReplyHarness(answers=[UnavailableError("500")] * 3)
    assert harness.handle(queued(item("hi"))) == DONE
    assert harness.phones.bodies == ["hi"] and "PossibleDuplicates" not in counted()


def test_a_reply_given_up_after_a_lost_answer_is_not_called_undelivered() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER, *[UnavailableError("500")] * 9])
    harness.handle(queued(item("hi"), queued_at=NOON - timedelta(hours=6)))
    assert harness.agents.told == [(CHAT, MAYBE)]


def test_a_reason_of_the_phone_is_told_also_after_a_lost_answer() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER, NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")])
    harness.handle(queued(item("hi")))
    assert "opted out" in harness.agents.told[0][1]


def test_a_redriven_reply_is_tried_again_and_marked() -> None:
    harness = ReplyHarness(answers=[NO_ANSWER] * 2)
    said = item("hi", Id="one")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert harness.phones.bodies == ["hi"]
    assert harness.ledger.record("reply-one").attributes["possible_duplicates"] == "2"
