"""A flood in virtual time: real delivery and rate limiters of four workers, on the model of the queue."""

from __future__ import annotations

from bench.flood import Flood, play
from infra.config import Limits
from testing.forward_functions import settings


def test_a_flood_is_played_with_the_defaults() -> None:
    limits, defaults = settings().limits, Limits()
    assert (limits.connect_rate, limits.batch_deadline) == (defaults.connect_rate, defaults.batch_deadline)


def test_a_flood_uses_the_quota_and_leaves_others_their_share() -> None:
    """Twenty times the quota for ten seconds; meanwhile one more conversation begins."""
    drained = play(Flood(seed=1, seconds=10, begins=5, texts=3, every=20))
    assert drained.share >= 0.95 and drained.failed == 0
    assert all(waited <= share * 1.05 for waited, share in drained.waits), drained.waits
    assert drained.refused <= 0.15 * drained.texts, "its functions do not find the quota by themselves"
