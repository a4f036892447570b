"""Retry delays, and how often SQS can deliver a message before it is given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.processing.retry import max_receives, retry_delay, with_jitter


@given(st.integers(0, 10_000), st.floats(-1, 1))
def test_a_delay_is_doubled_within_the_jitter(retries: int, spread: float) -> None:
    wait = retry_delay(retries=retries, first=5, longest=300, jitter=spread)
    middle = min(5 * 2 ** min(retries, 10), 300)
    assert 0.8 * middle - 1 <= wait <= 1.2 * middle + 1


def test_no_delay_is_shorter_than_a_second() -> None:
    assert retry_delay(retries=0, first=0.1, longest=1, jitter=-1) == 1
    assert with_jitter(0.1, -1) == 1


def test_no_delay_is_longer_than_the_longest_visibility_timeout() -> None:
    twelve_hours = 12 * 3600
    assert retry_delay(retries=9, first=1, longest=twelve_hours, jitter=1) <= twelve_hours - 900
    assert with_jitter(twelve_hours, 1) <= twelve_hours - 900


def receives_by_playing(*, first: float, longest: float, blocked: float, give_up: float) -> int:
    most = 0
    for kind in ("transient", "blocked"):
        at, receives = 0.0, 0
        while True:
            receives += 1
            if at >= give_up:
                break
            at += (
                retry_delay(retries=receives - 1, first=first, longest=longest, jitter=-1)
                if kind == "transient"
                else with_jitter(blocked, -1)
            )
        most = max(most, receives)
    return most


@given(st.floats(1, 60), st.floats(1, 20), st.floats(1, 600), st.floats(60, 50_000))
def test_the_bound_on_receives_is_that_of_a_simulated_worst_case(
    first: float, times: float, blocked: float, give_up: float
) -> None:
    longest = first * times
    played = receives_by_playing(first=first, longest=longest, blocked=blocked, give_up=give_up)
    bound = max_receives(retry_first=first, retry_longest=longest, blocked_retry=blocked, give_up_after=give_up)
    assert played <= bound <= played + 2


def test_the_defaults_leave_sqs_twice_the_receives_that_forward_can_need() -> None:
    assert 2 * max_receives(retry_first=5, retry_longest=300, blocked_retry=120, give_up_after=21_600) < 500
