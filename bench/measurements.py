"""The measurements of `make bench`, each against the servers of bench/stub.py: cold starts, the warm path, growth. And
the latency of a whole deployment on this machine."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.variants import UNPACED, Handled, Servers, Variant, run
from sandbox.lifecycle import Sandbox
from sandbox.simulator.client import Simulator
from testing.builders import customer_number, payload

_START_ONLY = ("forward, start-chat", "reply-intake", "reply")
"""There is no server for their services: only their start is measured."""
SKIPPED = 20
"""Number of first events that do not count: they open connections and fill caches."""
LATENCY = {"Connect": 0.08, "DynamoDB": 0.005, "AmazonSQS": 0.01}
"""Seconds that services take within a Region; the bridge's limits assume that of Connect."""
_WINDOW = 1000
_WARM_UP = 20


def cold_starts(variants: dict[str, Variant], servers: Servers, *, rounds: int, seed: int) -> dict[str, Any]:
    """Every start in a new process, the variants in random order in each round.

    Returns by variant: processor seconds to a ready handler, and to the end of a first text over new TLS connections;
    peak memory in bytes.
    """
    said: dict[str, dict[str, Any]] = {name: {"ready": [], "first": [], "memory": []} for name in variants}
    order = random.Random(seed)
    for _ in range(rounds):
        for name in order.sample(list(variants), len(variants)):
            variant = variants[name]
            texts = 0 if variant.name in _START_ONLY else 1
            ran = run(variant, servers.variables(tls=True), texts=texts)
            of = said[name]
            of["ready"].append(ran.ready)
            of["memory"].append(ran.events[-1].memory if texts else ran.ready_memory)
            if texts:
                of["first"].append(ran.ready + ran.events[0].processor)
            of["modules"] = ran.modules
    return said


def zipped(folder: Path, into: Path, *, byte_code: bool = True) -> int:
    """The size of a function's archive, in bytes."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in folder.rglob("*"):
            if byte_code or path.suffix != ".pyc":
                file.write(path, path.relative_to(folder))
    return into.stat().st_size


def processor(
    variants: dict[str, tuple[Variant, int]], servers: Servers, *, rounds: int, texts: int, seed: int
) -> dict[str, Any]:
    """Processor seconds, calls and logged bytes per text, by variant. A variant comes with its batch size."""
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
    """Seconds and processor seconds per event where services have LATENCY. A variant comes with its batch size."""
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
    """A batch of ten conversations: seconds from the first call to Connect to its last response, and of the event."""
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


def growth(variant: Variant, servers: Servers, *, texts: int, batch: int) -> list[dict[str, float]]:
    """By window of a thousand texts: their number so far, processor seconds per text, memory in bytes."""
    servers.begin()
    events = iter(run(variant, servers.variables(tls=False), texts=texts, batch=batch).events)
    said: list[dict[str, float]] = []
    while window := list(islice(events, _WINDOW // batch)):
        said.append(
            {
                "texts": (said[-1]["texts"] if said else 0) + sum(one.texts for one in window),
                "per_text": median(one.processor / one.texts for one in window),
                "memory": window[-1].memory,
            }
        )
    return said


def growth_of(windows: Sequence[dict[str, float]], what: str) -> float:
    """Growth from the first tenth to the last one, as a share of the first."""
    tenth = max(1, len(windows) // 10)
    first, last = windows[:tenth], windows[-tenth:]
    return median(one[what] for one in last) / median(one[what] for one in first) - 1


def latency(*, texts: int, per_second: float) -> dict[str, Any]:
    """Seconds of each text; each customer sends one, at an even rate. Raises TimeoutError if a text does not arrive."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "bridge.toml"
        settings = UNPACED.read_text(encoding="utf-8")
        config.write_text(f'runtime = "python3.{sys.version_info.minor}"\n{settings}', encoding="utf-8")
        sandbox = Sandbox.up(name=f"bench-{os.getpid()}", port=0, simulator_port=0, config=config)
        try:
            with Simulator(sandbox.simulator_url) as simulator:
                simulator.settings(rate=1000, burst=1000, chat_limit=100_000)
                published = _publish(sandbox, _WARM_UP + texts, per_second=per_second)
                shown = _shown(simulator, len(published))
        finally:
            sandbox.down()
    seconds = [shown[body] - at for body, at in published.items()][_WARM_UP:]
    return {"seconds": seconds, "per_second": per_second}


def _publish(sandbox: Sandbox, texts: int, *, per_second: float) -> dict[str, float]:
    """Time of publishing by body."""
    sns, published = sandbox.client("sns"), {}
    for number in range(texts):
        message = payload(f"text {number}", originationNumber=customer_number(number))
        published[message["messageBody"]] = time.time()
        sns.publish(TopicArn=sandbox.outputs["InboundTopicArn"], Message=json.dumps(message))
        time.sleep(1 / per_second)
    return published


def _shown(simulator: Simulator, texts: int) -> dict[str, float]:
    """Time of showing by body, once all texts are shown."""
    deadline = time.monotonic() + 60
    while len(journal := simulator.journal()) < texts:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(journal)} of {texts} texts were shown")
        time.sleep(0.1)
    return {entry["content"]: entry["at"] for entry in journal}
