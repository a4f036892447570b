"""The warm path: what a text costs of processor time, calls and waiting once a function is up."""

from __future__ import annotations

import random
from typing import Any

from bench.variants import Handled, Servers, Variant, run

SKIPPED = 20
"""Events at the beginning that are not counted: connections are opened, caches filled."""
LATENCY = {"Connect": 0.08, "DynamoDB": 0.005, "AmazonSQS": 0.01}
"""Seconds that services take within a Region; Connect's is the one that the bridge is laid out for."""


def processor(
    variants: dict[str, tuple[Variant, int]], servers: Servers, *, rounds: int, texts: int, seed: int
) -> dict[str, Any]:
    """Seconds of processor time per text by variant, with the calls that a text makes and the bytes that it logs.

    A variant comes with the size of its events.
    """
    said: dict[str, dict[str, Any]] = {name: {"per_text": []} for name in variants}
    order = random.Random(seed)
    for _ in range(rounds):
        for name in order.sample(list(variants), len(variants)):
            variant, batch = variants[name]
            servers.begin()
            ran = run(variant, servers.variables(tls=True), texts=texts * batch, batch=batch)
            counted = ran.events[SKIPPED:]
            of = said[name]
            of["per_text"].append(_sum(counted, "processor") / _sum(counted, "texts"))
            of["calls"] = {name: calls / (texts * batch) for name, calls in servers.asked()["calls"].items()}
            of["log"] = ran.log / (texts * batch)
    return said


def durations(variants: dict[str, tuple[Variant, int]], servers: Servers, *, texts: int) -> dict[str, Any]:
    """Seconds per event, and of them processor time, where the services take LATENCY to answer."""
    said = {}
    for name, (variant, batch) in variants.items():
        servers.begin(**LATENCY)
        counted = run(variant, servers.variables(tls=True), texts=texts * batch, batch=batch).events[SKIPPED:]
        said[name] = {
            "wall": _sum(counted, "wall") / len(counted),
            "processor": _sum(counted, "processor") / len(counted),
            "texts": batch,
        }
    return said


def ten_at_once(variant: Variant, servers: Servers, *, rounds: int, warm: int = 3) -> dict[str, Any]:
    """One batch of ten conversations: seconds from Connect's first call to its last answer, and of the whole event."""
    said: dict[str, Any] = {"latency": LATENCY["Connect"], "busy": [], "wall": [], "at_once": []}
    for _ in range(rounds):
        servers.begin(**LATENCY)
        ran = run(variant, servers.variables(tls=True), texts=10 * (warm + 1), batch=10)
        spans = servers.asked()["spans"][-10:]
        said["busy"].append(max(end for _, end in spans) - min(begin for begin, _ in spans))
        said["wall"].append(ran.events[-1].wall)
        said["at_once"].append(_most_at_once(spans))
    return said


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    moments = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def _sum(events: tuple[Handled, ...], what: str) -> float:
    return float(sum(getattr(event, what) for event in events))
