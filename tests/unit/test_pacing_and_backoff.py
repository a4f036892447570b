"""How fast Connect is called, and how long a text waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.retry import blocked_delay, max_receives, retry_delay
from testing.clock import FakeClock


def rate_limiter(clock: FakeClock, *, rate: float = 14, environments: int = 4) -> RateLimiter:
    return RateLimiter(rate=rate, environments=environments, clock=clock.as_clock())


def calls(rate_limiter: RateLimiter, clock: FakeClock, seconds: float, *, accept: bool = False) -> int:
    until, count = clock.time + seconds, 0
    while rate_limiter.acquire(deadline=until):
        count += 1
        if accept:
            rate_limiter.succeeded()
    clock.time = until
    return count


def test_it_starts_at_its_share_of_the_rate() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock)
    assert bucket.rate == 3.5
    assert calls(bucket, clock, 10) == pytest.approx(3.5 + 35, abs=1)


def test_the_rate_raises_by_a_thirtieth_of_the_whole_a_second_while_calls_succeed_and_never_above_it() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock)
    calls(bucket, clock, 12, accept=True)
    assert 8 < bucket.rate < 11
    calls(bucket, clock, 60, accept=True)
    assert bucket.rate == 14


def test_a_429_halves_the_rate_and_calls_in_flight_with_it_count_once() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock, environments=1)
    for _ in range(5):
        bucket.throttled()
    assert bucket.rate == 7
    clock.time += 2
    bucket.throttled()
    assert bucket.rate == 3.5


def test_the_rate_never_stops_altogether() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock)
    for _ in range(50):
        clock.time += 2
        bucket.throttled()
    assert bucket.rate == 0.5
    assert calls(bucket, clock, 60) >= 29


def test_a_turn_after_the_deadline_is_not_taken() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock, rate=1, environments=1)
    assert bucket.acquire(deadline=clock.time + 0.1)
    assert not bucket.acquire(deadline=clock.time + 0.5)
    assert bucket.acquire(deadline=clock.time + 1.5), "a turn that was not taken was paid for"


@given(st.integers(0, 10_000), st.floats(-1, 1))
def test_a_wait_is_the_doubled_one_give_or_take_the_jitter(retries: int, spread: float) -> None:
    wait = retry_delay(retries=retries, first=5, longest=300, jitter=spread)
    middle = min(5 * 2 ** min(retries, 10), 300)
    assert 0.8 * middle - 1 <= wait <= 1.2 * middle + 1


def test_no_wait_is_shorter_than_a_second() -> None:
    assert retry_delay(retries=0, first=0.1, longest=1, jitter=-1) == 1
    assert blocked_delay(pace=0.1, jitter=-1) == 1


def test_no_wait_is_longer_than_sqs_hides_a_message() -> None:
    twelve_hours = 12 * 3600
    assert retry_delay(retries=9, first=1, longest=twelve_hours, jitter=1) <= twelve_hours - 900
    assert blocked_delay(pace=twelve_hours, jitter=1) <= twelve_hours - 900


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
                else blocked_delay(pace=blocked, jitter=-1)
            )
        most = max(most, receives)
    return most


@given(st.floats(1, 60), st.floats(1, 20), st.floats(1, 600), st.floats(60, 50_000))
def test_the_bound_on_receives_is_what_playing_the_worst_case_gives(
    first: float, times: float, blocked: float, give_up: float
) -> None:
    longest = first * times
    played = receives_by_playing(first=first, longest=longest, blocked=blocked, give_up=give_up)
    bound = max_receives(retry_first=first, retry_longest=longest, blocked_retry=blocked, give_up_after=give_up)
    assert played <= bound <= played + 2


def test_the_defaults_leave_sqs_twice_the_receives_that_forward_can_need() -> None:
    assert 2 * max_receives(retry_first=5, retry_longest=300, blocked_retry=120, give_up_after=21_600) < 500
