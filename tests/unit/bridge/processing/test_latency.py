"""How long an answer is waited for: shorter where answers usually come soon."""

from __future__ import annotations

import pytest

from bridge.processing.latency import UsualLatency


def latency(*answers: float) -> UsualLatency:
    usual = UsualLatency(longest=5)
    for seconds in answers:
        usual.answered(seconds)
    return usual


def test_an_unknown_latency_is_waited_for_as_long_as_it_may_take() -> None:
    assert latency(*[0.1] * 9).short_timeout is None
    assert latency(*[0.1] * 10).short_timeout == 2


@pytest.mark.parametrize("answers", [[1.5] * 3 + [3.0] * 7, [0.1, 1.9] * 10])
def test_slow_or_uneven_answers_are_waited_for(answers: list[float]) -> None:
    assert latency(*answers).short_timeout is None


def test_after_two_time_outs_the_longest_time_is_waited_until_answers_come() -> None:
    usual = latency(*[0.1] * 10)
    usual.timed_out()
    assert usual.short_timeout == 2
    usual.timed_out()
    assert usual.short_timeout is None
    usual.answered(0.1)
    assert usual.short_timeout == 2
