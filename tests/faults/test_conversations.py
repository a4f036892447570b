"""Start-chat delivery by several workers: one chat per conversation, both directions in order and once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from testing.faults import report
from testing.faults.bridges import bridge
from testing.faults.load import Text, pairs, rounds
from testing.faults.plan import Plan
from testing.faults.run import Result

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface client, which runs the functions, is for Linux"
)

CONVERSATIONS = 200
WORKERS = 4


def play(folder: Path, texts: Sequence[Text], *, rate: float, repliers: int = 1, **shares: float) -> tuple[Result, str]:
    """Result of a run, and a report for assertion messages."""
    said: list[str] = []
    plan = Plan(
        seed=1,
        texts=len(texts),
        conversations=CONVERSATIONS,
        delivery="start-chat",
        forwards=WORKERS,
        intakes=1,
        reply_intakes=1,
        repliers=repliers,
        rate=rate,
        faults=False,
        deduplication_window=8,
        drain=300,
        **shares,  # type: ignore[arg-type]
    )
    result = asyncio.run(bridge(plan, folder, said.append, texts=texts))
    return result, "\n".join([*said, report.table(plan, [result])])


def at_once(result: Result) -> int:
    """Largest number of workers that had a batch at the same time."""
    calls = [batch.invocation for batch in result.record.batches if batch.invocation]
    calls = [call for call in calls if call.function == "forward"]
    return max(sum(call.began_at <= one.began_at < call.ended_at for call in calls) for one in calls)


def test_two_first_texts_in_the_same_instant_start_exactly_one_chat(tmp_path: Path) -> None:
    texts = pairs(seed=1, conversations=CONVERSATIONS)
    result, said = play(tmp_path, texts, rate=1e6)
    assert result.chats and report.broken(result) == "", said
    assert at_once(result) == WORKERS
    assert (result.verdict.shown, result.chats.started) == (2 * CONVERSATIONS, CONVERSATIONS), said
    assert not result.verdict.shown_twice, said


def test_without_the_group_lock_two_first_texts_start_two_chats(tmp_path: Path) -> None:
    result, said = play(tmp_path, pairs(seed=1, conversations=CONVERSATIONS), rate=1e6, group_lock=False)
    assert result.chats and result.chats.started > CONVERSATIONS and result.chats.second, said


def test_both_directions_survive_throttling_and_server_errors(tmp_path: Path) -> None:
    texts = rounds(seed=1, conversations=CONVERSATIONS, texts=5, replies=3)
    result, said = play(tmp_path, texts, rate=80, repliers=4, throttled_share=0.3, failing_share=0.1)
    assert result.replies and result.chats and report.broken(result) == "", said
    replies, _ = result.replies
    assert at_once(result) == WORKERS
    refused, calls = result.refused, 5 * CONVERSATIONS + 3 * CONVERSATIONS
    assert refused["ThrottlingException"] > 0.3 * calls and refused["InternalServerException"] > 0.1 * calls
    assert refused["TooManyRequestsException"] > 0.3 * CONVERSATIONS, "of StartChatContact"
    assert (result.verdict.shown, replies.shown) == (5 * CONVERSATIONS, 3 * CONVERSATIONS), said
    assert not result.verdict.shown_twice and not replies.shown_twice, said
    assert result.chats.started == CONVERSATIONS, said
