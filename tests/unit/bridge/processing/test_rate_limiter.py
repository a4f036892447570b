"""How fast a service is called: the rate follows what the service grants."""

from __future__ import annotations

import pytest

from bridge.errors import OutOfTimeError, ThrottledError, UnavailableError
from bridge.processing.rate_limiter import RateLimiter
from testing.clock import FakeClock
from testing.models.quota import Service, saturate

SEEDS = range(1, 13)


def limiter(clock: FakeClock, *, rate: float = 14, environments: int = 4) -> RateLimiter:
    return RateLimiter(rate=rate, environments=environments, clock=clock.as_clock())


def calls(limiter: RateLimiter, clock: FakeClock, seconds: float, *, accept: bool = False) -> int:
    until, count = clock.time + seconds, 0
    while limiter.acquire(deadline=until):
        count += 1
        if accept:
            limiter.succeeded()
    clock.time = until
    return count


def test_an_environment_starts_at_its_share_of_the_rate() -> None:
    clock = FakeClock()
    bucket = limiter(clock)
    assert bucket.rate == 3.5
    assert calls(bucket, clock, 10) == pytest.approx(3.5 + 35, abs=1)


def test_an_accepted_call_raises_the_rate_by_one_percent_up_to_the_configured() -> None:
    clock = FakeClock()
    bucket = limiter(clock)
    bucket.succeeded()
    assert bucket.rate == pytest.approx(3.5 * 1.01)
    calls(bucket, clock, 60, accept=True)
    assert bucket.rate == 14


def test_a_429_lowers_the_rate_by_what_32_accepted_calls_raised_it() -> None:
    clock = FakeClock()
    bucket = limiter(clock)
    calls(bucket, clock, 60, accept=True)
    bucket.throttled()
    assert bucket.rate == pytest.approx(14 - 14 * 0.01 * 0.97 / 0.03)


def test_no_429_lowers_the_rate_below_its_floor_before_a_probe() -> None:
    clock = FakeClock()
    bucket = limiter(clock)
    for _ in range(50):
        bucket.throttled()
    clock.time += 10  # between two probes
    assert bucket.rate == pytest.approx(0.7 * 3.5)


def test_a_token_after_the_deadline_is_not_taken() -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=1, environments=1)
    assert bucket.acquire(deadline=clock.time + 0.1)
    assert not bucket.acquire(deadline=clock.time + 0.5)
    assert bucket.acquire(deadline=clock.time + 1.5), "a token that was not taken is missing"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quota_is_used_to_95_percent_with_at_most_5_percent_429s(seed: int) -> None:
    usage = saturate(Service(quota=17, burst=26, seed=seed), rate=17)
    assert usage.accepted_per_second >= 0.95 * 17
    assert usage.throttled_share <= 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quota_is_used_to_90_percent_by_one_environment(seed: int) -> None:
    usage = saturate(Service(quota=17, burst=26, seed=seed), rate=17, active=1)
    assert usage.accepted_per_second >= 0.90 * 17


@pytest.mark.parametrize(("active", "share"), [(4, 0.6), (1, 0.12)])
@pytest.mark.parametrize("seed", SEEDS)
def test_unrelated_429s_leave_a_share_of_the_calls_of_the_limit(seed: int, active: int, share: float) -> None:
    usage = saturate(Service(unrelated=0.3, seed=seed), rate=17, active=active, seconds=300)
    assert usage.calls_per_second >= share * 17


@pytest.mark.parametrize("seed", SEEDS)
def test_unrelated_429s_leave_60_percent_of_one_call_a_second(seed: int) -> None:
    usage = saturate(Service(unrelated=0.3, seed=seed), rate=1)
    assert usage.calls_per_second >= 0.6


@pytest.mark.parametrize("seed", SEEDS[:5])
@pytest.mark.parametrize(("quota", "throttled"), [(8.5, 0.16), (5.0, 0.25)])
def test_a_quota_below_the_configured_rate_is_found(quota: float, throttled: float, seed: int) -> None:
    usage = saturate(Service(quota=quota, burst=1.5 * quota, seed=seed), rate=17, seconds=600)
    assert usage.accepted_per_second >= 0.85 * quota
    assert usage.throttled_share <= throttled


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quota_that_is_raised_is_used_within_two_minutes(seed: int) -> None:
    usage = saturate(Service(quota=5, burst=8, seed=seed), rate=17, seconds=300, changes={120: 17})
    assert usage.accepted_by_minute[4] >= 0.85 * 17 * 60


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quota_that_is_lowered_is_kept_within_two_minutes(seed: int) -> None:
    usage = saturate(Service(quota=17, burst=26, seed=seed), rate=17, seconds=300, changes={120: 5})
    assert usage.accepted_by_minute[4] >= 0.85 * 5 * 60


def refuse() -> None:
    raise ThrottledError("429")


def refused(bucket: RateLimiter, key: str, clock: FakeClock) -> None:
    with pytest.raises(ThrottledError):
        bucket.call(refuse, deadline=clock.time + 60, key=key)


def accepted(bucket: RateLimiter, key: str, clock: FakeClock) -> None:
    bucket.call(lambda: None, deadline=clock.time + 60, key=key)


def test_a_conversation_that_is_throttled_again_lowers_the_rate_once_a_minute() -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=1400)
    lowered = []
    for key, later in (("one", 0), ("one", 1), ("one", 60), ("two", 0)):
        clock.time += later
        before = bucket.rate
        refused(bucket, key, clock)
        lowered.append(bucket.rate < before)
        for n in range(40):
            accepted(bucket, f"other {n}", clock)
    assert lowered == [True, False, True, True]


def test_a_conversation_that_was_accepted_lowers_the_rate_again() -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=1400)
    refused(bucket, "one", clock)
    for _ in range(40):
        accepted(bucket, "one", clock)
    before = bucket.rate
    refused(bucket, "one", clock)
    assert bucket.rate < before


def test_the_answer_that_is_no_429_changes_nothing() -> None:
    clock = FakeClock()
    bucket = limiter(clock)
    before = bucket.rate

    def fail() -> None:
        raise UnavailableError("500")

    with pytest.raises(UnavailableError):
        bucket.call(fail, deadline=clock.time + 60, key="one")
    assert bucket.rate == before


def test_each_call_without_a_token_gets_a_later_time() -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=2, environments=1)
    again = []
    for _ in range(6):
        try:
            bucket.call(lambda: None, deadline=clock.time + 0.1, key="one")
        except OutOfTimeError as exc:
            again.append(exc.retry_after)
    assert again == pytest.approx([0.5, 1.0, 1.5, 2.0])


@pytest.mark.parametrize(("throttled", "series"), [(0.0, 4), (0.3, 8)])
def test_a_series_of_429s_is_by_chance_while_other_calls_explain_it(throttled: float, series: int) -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=1000, environments=1)
    assert bucket.by_chance(100), "after no call"
    for n in range(100):
        if n % 10 < throttled * 10:
            bucket.throttled()
        else:
            bucket.succeeded()
    assert bucket.by_chance(series - 1)
    assert not bucket.by_chance(series + 1)


def test_a_limiter_says_for_how_long_every_call_was_throttled() -> None:
    clock = FakeClock()
    bucket = limiter(clock, rate=1000)
    for n in range(11):
        refused(bucket, f"{n}", clock)
    clock.time += 60
    assert bucket.refusing_for == 0, "a few can be chance"
    refused(bucket, "12", clock)
    assert bucket.refusing_for == pytest.approx(60)
    accepted(bucket, "13", clock)
    clock.time += 5
    assert bucket.refusing_for == 0
    assert bucket.accepted_ago == pytest.approx(5)
