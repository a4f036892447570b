"""The promises under any sequence of events, for both deliveries.

Intake, forward, both queue adapters and `bridge failed redrive` are the real ones. The queues are models of SQS, the
ledger is a dictionary with the ledger's conditions, and a simulator stands for Connect.
"""

from __future__ import annotations

import pytest

from testing.stateful.machine import BridgeMachine, play
from testing.stateful.processes import sequential_and_silent
from testing.stateful.simulation import Run
from testing.stateful.start_chat import StartChatMachine


def test_the_promises_hold_under_any_sequence_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    play(BridgeMachine, monkeypatch, examples=120)


def test_an_initial_message_may_be_shown_by_the_call_of_a_later_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SNS changed their order: a batch of ten begins with the earliest text, a batch of one with the first queued."""
    sequential_and_silent(monkeypatch)
    bridge = StartChatMachine()
    bridge.somebody_deploys_another_first_text(first_text="initial-message")
    bridge.somebody_has_texted(customer="+14255550182")
    bridge.an_environment_receives_and_works([(10, Run(faults=["refuse", "none"]), 130.0), (1, Run(), 0.0)])
    assert [shown.key for shown in bridge.services.parts] == ["t2", "t1"]
    bridge.teardown()
    shown = [shown.part.content.split()[0] for shown in bridge.services.parts]
    assert shown == ["t2.0", "t1.0", "t2.6", "t3.0", "t4.0"]


def test_the_promises_hold_for_start_chat_under_any_sequence_of_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(StartChatMachine, monkeypatch, examples=100)
