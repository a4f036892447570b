"""Medians, and how far what was measured lies about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"

    def times(self, factor: float) -> Spread:
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def meets(self, other: Spread) -> bool:
        """Whether the two have some of their spreads in common, to the two digits that are shown of them."""
        return round(self.low, 2) <= round(other.high, 2) and round(other.low, 2) <= round(self.high, 2)


def spread(samples: Sequence[float]) -> Spread:
    low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
    return Spread(median(samples), low, high)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of pairs that were measured one after the other, so that a slow moment of the machine falls on both."""
    return spread([our / their for our, their in zip(ours, theirs, strict=True)])
