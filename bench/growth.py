"""Whether the hundred-thousandth text costs what the first did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median

from bench.variants import Servers, Variant, run

WINDOW = 1000


def measure(variant: Variant, servers: Servers, *, texts: int, batch: int) -> list[dict[str, float]]:
    """By window of a thousand texts: how many there were by then, processor seconds per text, memory in bytes."""
    servers.begin()
    events = iter(run(variant, servers.variables(tls=False), texts=texts, batch=batch).events)
    said: list[dict[str, float]] = []
    while window := list(islice(events, WINDOW // batch)):
        said.append(
            {
                "texts": (said[-1]["texts"] if said else 0) + sum(one.texts for one in window),
                "per_text": median(one.processor / one.texts for one in window),
                "memory": window[-1].memory,
            }
        )
    return said


def change(windows: Sequence[dict[str, float]], what: str) -> float:
    """How much more the last tenth has than the first one, as a share of it."""
    tenth = max(1, len(windows) // 10)
    first, last = windows[:tenth], windows[-tenth:]
    return median(one[what] for one in last) / median(one[what] for one in first) - 1
