"""The X-Ray trace of an invocation, in the messages that intake and reply-intake send, on the model of SQS."""

from __future__ import annotations

import pytest

from testing.builders import record
from testing.chat_events import chat_record
from testing.pipeline import ReplyPipeline, TextPipeline

TRACES = (
    "Root=1-65263746-320c824c58b9e15b51a84f99;Parent=7dcee31f3d8a37a0;Sampled=1",
    "Root=1-65263747-000000000000000000000001;Parent=0f1b758a73ce5eaa;Sampled=0;Lineage=1:bd4cecd5:0",
    "Root=1-65263748-000000000000000000000002;Parent=15c25d854ec8f782;Sampled=0;Lineage=aae260cf:0|74085691:0",
)
"""Headers as Lambda sets them: without Lineage, and with it in both of its forms."""


class Intake:
    """Intake and the queue that it sends to; or with "reply", reply-intake and its queue."""

    def __init__(self, direction: str) -> None:
        self.pipeline = TextPipeline() if direction == "text" else ReplyPipeline()
        self._notification = record if direction == "text" else chat_record

    def take(self) -> None:
        self.pipeline.publish(self._notification())

    def headers(self) -> list[str | None]:
        """AWSTraceHeader of each message, as its consumer receives it."""
        return [message.trace for message in self.pipeline.queue.messages()]


@pytest.fixture(params=["text", "reply"])
def intake(request: pytest.FixtureRequest) -> Intake:
    return Intake(request.param)


def test_each_message_carries_the_trace_of_the_invocation_that_sent_it(
    monkeypatch: pytest.MonkeyPatch, intake: Intake
) -> None:
    for trace in TRACES:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        intake.take()
    assert intake.headers() == list(TRACES)
    assert intake.pipeline.sqs.calls == ["send_message"] * len(TRACES)


@pytest.mark.parametrize(
    "header",
    [
        "Self=1-65263746-320c824c58b9e15b51a84f99",
        "Root=1-65263746-320c824c58b9e15b51a84f9;Parent=7dcee31f3d8a37a0;Sampled=1",
        "Root=1-65263746-320c824c58b9e15b51a84f9g;Parent=7dcee31f3d8a37a0;Sampled=1",
        "Root=1-65263746-320c824c58b9e15b51a84f99;Parent=;Sampled=1",
        "Root=1-65263746-320c824c58b9e15b51a84f99;Parent=7dcee31f3d8a37a0;Sampled=?",
        f"{TRACES[0]};Lineage",
        f"{TRACES[0]}\n",
        f"{TRACES[0]};{TRACES[0]}",
        "\N{SNOWMAN}" * 300,
    ],
)
def test_a_trace_header_that_sqs_could_refuse_is_left_out(
    monkeypatch: pytest.MonkeyPatch, intake: Intake, header: str
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    intake.take()
    assert intake.headers() == [None]


def test_without_active_tracing_messages_carry_no_trace(monkeypatch: pytest.MonkeyPatch, intake: Intake) -> None:
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    intake.take()
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "")
    intake.take()
    assert intake.headers() == [None, None]
