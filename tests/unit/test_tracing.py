"""The X-Ray trace of an invocation, in the messages that intake and reply-intake send, on the model of SQS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge.intake import Intake, intake
from bridge.queues import Conversations, Failed
from bridge.reply_intake import ReplyIntake, reply_intake
from tests.model.fifo import Fifo
from tests.model.sqs import SqsClient
from tests.unit.fakes import FakeLedger, payload, record
from tests.unit.streams import item, streamed

TRACES = (
    "Root=1-65263746-320c824c58b9e15b51a84f99;Parent=7dcee31f3d8a37a0;Sampled=1",
    "Root=1-65263747-000000000000000000000001;Parent=0f1b758a73ce5eaa;Sampled=0;Lineage=1:bd4cecd5:0",
    "Root=1-65263748-000000000000000000000002;Parent=15c25d854ec8f782;Sampled=0;Lineage=aae260cf:0|74085691:0",
)
"""As Lambda has set them: with what recognises loops, in either of its forms, and without."""


class Queues:
    """The model's queues, as intake and reply-intake send to them."""

    def __init__(self) -> None:
        self.taken, self.failed = (Fifo(now=lambda: 0.0, visibility=180, name=name) for name in ("taken", "failed"))
        self.sqs = SqsClient({"taken": self.taken, "failed": self.failed})
        client, ledger = cast(Any, self.sqs), cast(Any, FakeLedger())
        queue, failed = Conversations(client=client, url="taken"), Failed(client=client, url="failed", stage="intake")
        self._intake = Intake(conversations=queue, failed=failed, ledger=ledger, notes=ledger)
        self._reply_intake = ReplyIntake(replies=queue, failed=failed, ledger=ledger, notes=ledger)

    def text(self) -> None:
        intake({"Records": [record(payload())]}, taker=self._intake)

    def reply(self) -> None:
        reply_intake({"Records": [streamed(item("Hello"))]}, taker=self._reply_intake)

    def headers(self) -> list[str | None]:
        """AWSTraceHeader of each message, as its consumer is given it."""
        return [message.trace for message in self.taken.messages()]


Take = Callable[[Queues], None]


@pytest.fixture(params=[Queues.text, Queues.reply], ids=["text", "reply"])
def take(request: pytest.FixtureRequest) -> Take:
    return cast(Take, request.param)


def test_each_message_carries_the_trace_of_the_invocation_that_sent_it(
    monkeypatch: pytest.MonkeyPatch, take: Take
) -> None:
    queues = Queues()
    for trace in TRACES:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        take(queues)
    assert queues.headers() == list(TRACES)
    assert queues.sqs.calls == ["send_message"] * len(TRACES)


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
def test_a_trace_that_sqs_could_refuse_stays_behind_and_the_text_goes_on(
    monkeypatch: pytest.MonkeyPatch, take: Take, header: str
) -> None:
    queues = Queues()
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    take(queues)
    assert queues.headers() == [None]


def test_without_active_tracing_messages_carry_no_trace(monkeypatch: pytest.MonkeyPatch, take: Take) -> None:
    queues = Queues()
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    take(queues)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "")
    take(queues)
    assert queues.headers() == [None, None]
