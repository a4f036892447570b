"""A short fault run: real processes, all kinds of faults, an account of every text."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from testing.faults import report
from testing.faults.bridges import bridge
from testing.faults.plan import Delivery, Plan

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface client, which runs the functions, is for Linux"
)

SHORT = Plan(
    seed=1,
    texts=320,
    conversations=60,
    forwards=4,
    rate=40,
    outage=2,
    refusal=2,
    bad_deploy=1.5,
    ledger_outage=2,
    queue_outage=1,
    kill_every=1,
    lost=0.03,
    deduplication_window=8,
    retry_speedup=30,
    visibility=8,
    drain=300,
)


@pytest.mark.parametrize("delivery", get_args(Delivery))
def test_processes_that_are_killed_at_random_keep_every_promise(tmp_path: Path, delivery: Delivery) -> None:
    said: list[str] = []
    plan = replace(SHORT, delivery=delivery)
    result = asyncio.run(bridge(plan, tmp_path, said.append))
    assert report.broken(result) == "", "\n".join([report.heading(plan), *said])
    verdict = result.verdict
    assert verdict.shown + verdict.failed + len(verdict.undelivered) == SHORT.texts
    assert verdict.failed > 0, "no text was meant to fail"
    # What did not happen has proved nothing.
    assert result.record.kills > 3
    assert {"AccessDeniedException", "reset-before"} <= result.refused.keys()
    assert result.refused.keys() & {"InternalServiceException", "InternalServerException"}
    assert {"SQS error", "DynamoDB error", "DynamoDB reset before"} <= result.record.faults.keys()
    assert any("init error" in error for error in result.record.errors)
    calls = [batch.invocation for batch in result.record.batches if batch.invocation]
    assert len({call.environment for call in calls if call.function == "forward"}) == SHORT.forwards
    if result.replies and result.chats:
        replies, _ = result.replies
        assert replies.shown > 100 and result.chats.replacing > 0
        assert len({call.environment for call in calls if call.function == "reply"}) == SHORT.repliers
