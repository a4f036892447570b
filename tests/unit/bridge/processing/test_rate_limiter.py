"""The rate limiter: share, burst, growth and throttling."""

from __future__ import annotations

import pytest

from bridge.processing.rate_limiter import RateLimiter
from testing.clock import FakeClock


def test_a_call_waits_for_a_token() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(rate=2, environments=1, clock=clock.as_clock())
    started, turns = clock.time, []
    for _ in range(6):
        assert rate_limiter.acquire(deadline=started + 60)
        turns.append(clock.time - started)
    assert turns == [0, 0, 0.5, 1, 1.5, 2]


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


def test_the_rate_grows_while_calls_succeed_up_to_the_configured_rate() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock)
    calls(bucket, clock, 12, accept=True)
    assert 8 < bucket.rate < 11
    calls(bucket, clock, 60, accept=True)
    assert bucket.rate == 14


def test_a_429_halves_the_rate_once_for_calls_in_flight_together() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock, environments=1)
    for _ in range(5):
        bucket.throttled()
    assert bucket.rate == 7
    clock.time += 2
    bucket.throttled()
    assert bucket.rate == 3.5


def test_the_rate_never_falls_to_zero() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock)
    for _ in range(50):
        clock.time += 2
        bucket.throttled()
    assert bucket.rate == 0.5
    assert calls(bucket, clock, 60) >= 29


def test_a_token_after_the_deadline_is_not_taken() -> None:
    clock = FakeClock()
    bucket = rate_limiter(clock, rate=1, environments=1)
    assert bucket.acquire(deadline=clock.time + 0.1)
    assert not bucket.acquire(deadline=clock.time + 0.5)
    assert bucket.acquire(deadline=clock.time + 1.5), "a turn that was not taken was paid for"


def limiter(clock: FakeClock, *, rate: float, environments: int = 1) -> RateLimiter:
    return RateLimiter(rate=rate, environments=environments, clock=clock.as_clock())


@pytest.mark.parametrize(("rate", "environments", "at_first"), [(28, 4, 7), (28, 28, 1), (28, 100, 1), (56, 100, 2)])
def test_a_rate_begins_at_its_share_and_not_below_a_twenty_eighth(
    rate: float, environments: int, at_first: float
) -> None:
    assert limiter(FakeClock(), rate=rate, environments=environments).rate == at_first


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (1, 1), (1.9, 1), (2, 2), (7, 7)])
def test_a_burst_is_the_calls_of_one_second(rate: float, burst: int) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=rate)
    clock.time += 600  # idle for any time
    taken = 0
    while rate_limiter.acquire(deadline=clock.time + 1e-6):
        taken += 1
    assert taken == burst


@pytest.mark.parametrize("rate", [1.0, 4.0, 28.0])
def test_calls_beyond_the_burst_are_evenly_spaced(rate: float) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=rate)
    for _ in range(int(rate)):
        rate_limiter.acquire(deadline=1e9)
    at = []
    for _ in range(5):
        rate_limiter.acquire(deadline=1e9)
        at.append(clock.time - 1000.0)
    assert at == pytest.approx([(n + 1) / rate for n in range(5)])


def test_a_token_at_the_very_deadline_is_too_late() -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=1)
    assert not rate_limiter.acquire(deadline=1000.0)
    assert rate_limiter.acquire(deadline=1000.5)
    assert not rate_limiter.acquire(deadline=1001.0)
    assert rate_limiter.acquire(deadline=1001.001)


def test_the_rate_grows_by_a_thirtieth_of_the_highest_a_second_of_calls() -> None:
    """Each accepted call counts for one divided by the rate."""
    rate_limiter = limiter(FakeClock(), rate=30, environments=3)
    rates = [rate_limiter.rate]
    for _ in range(3):
        rate_limiter.succeeded()
        rates.append(rate_limiter.rate)
    assert rates == pytest.approx([10, 10.1, 10.1 + 1 / 10.1, 10.1 + 1 / 10.1 + 1 / (10.1 + 1 / 10.1)])


@pytest.mark.parametrize(("apart", "rate"), [(0.0, 8), (0.9, 8), (1.0, 4), (5.0, 4)])
def test_throttling_within_a_second_halves_the_rate_once(apart: float, rate: float) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=16)
    rate_limiter.throttled()
    clock.time += apart
    rate_limiter.throttled()
    assert rate_limiter.rate == rate


def test_after_throttling_the_next_call_waits_for_a_token_at_half_the_rate() -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=4)
    rate_limiter.throttled()
    assert rate_limiter.acquire(deadline=1e9)
    assert clock.time == pytest.approx(1000.5)
