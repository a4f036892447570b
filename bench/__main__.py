"""`make bench`: measure, and write docs/benchmarks.md with its pictures. `--only flood` measures a part."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import flood, measurements, report, variants
from bench.variants import BUILD, ROOT, Servers
from infra import config as configuration
from testing.forward_functions import settings

RESULTS = BUILD / "results.json"
MEASURING = BUILD / "measuring.json"
BEFORE = BUILD / "results-before.json"


def main() -> None:
    parts: dict[str, Callable[..., Any]] = {
        "cold": _cold,
        "processor": _processor,
        "durations": _durations,
        "ten": _ten,
        "growth": _growth,
        "flood": _flood,
        "latency": _latency,
    }
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the random order of variants and of the flood")
    parser.add_argument("--rounds", type=int, default=15, help="of each comparison")
    parser.add_argument("--texts", type=int, default=100_000, help="through the handler, for growth")
    parser.add_argument(
        "--only", choices=parts, action="append", help="parts to measure again; the others keep their results"
    )
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = _read(RESULTS) if options.only else {}
    results["about"] = _about(options)
    with variants.servers() as servers:
        for name in options.only or parts:
            _say(f"{name} ...")
            results[name] = parts[name](options, servers)
            MEASURING.write_text(json.dumps(results), encoding="utf-8")
    if RESULTS.exists() and not options.only:
        RESULTS.replace(BEFORE)
    MEASURING.replace(RESULTS)
    before = _read(BEFORE)
    pictures = ROOT / "docs/benchmarks"
    pictures.mkdir(exist_ok=True)
    subprocess.run([variants.TOOLS, "-m", "bench.plots", RESULTS, pictures], cwd=ROOT, check=True)
    (ROOT / "docs/benchmarks.md").write_text(report.written(results, before), encoding="utf-8")
    _say(report.summary(results))
    if before:
        _say(report.agreement(results, before))


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _cold(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    everything = variants.bridge(variants.SHIPPED) | variants.naive()
    everything["forward, no byte-code"] = variants.without_byte_code(everything["forward"])
    folder, naive = variants.shipped_archive(), everything["powertools"].folder
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        size = {
            "archive": measurements.zipped(folder, Path(made) / "a.zip"),
            "archive, no byte-code": measurements.zipped(folder, Path(made) / "b.zip", byte_code=False),
            "boto3": measurements.zipped(everything["boto3"].folder, Path(made) / "c.zip"),
            "powertools": measurements.zipped(naive, Path(made) / "d.zip"),
        }
    measured = measurements.cold_starts(everything, servers, rounds=options.rounds, seed=options.seed)
    python, shipped = variants.interpreter(), configuration.load(variants.SHIPPED).runtime
    return {"variants": measured, "zipped": size, "python": python.version, "ran": python.runtime, "shipped": shipped}


def _processor(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    return measurements.processor(_sized(), servers, rounds=options.rounds, texts=100, seed=options.seed)


def _durations(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    del options
    return measurements.durations(_sized(), servers, texts=60)


def _sized() -> dict[str, tuple[variants.Variant, int]]:
    """Variants with their batch size: SNS delivers one text at a time, SQS up to ten."""
    bridge, naive = variants.bridge(), variants.naive()
    one_each = {name: (one, 1) for name, one in naive.items() if name != "powertools, byte-code"}
    return {
        "intake": (bridge["intake"], 1),
        "forward": (bridge["forward"], 1),
        "forward, ten at once": (bridge["forward"], 10),
        **one_each,
    }


def _ten(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    return measurements.ten_at_once(variants.bridge()["forward"], servers, rounds=options.rounds)


def _growth(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    bridge = variants.bridge()
    return {
        "forward": measurements.growth(bridge["forward"], servers, texts=options.texts, batch=10),
        "intake": measurements.growth(bridge["intake"], servers, texts=options.texts, batch=1),
    }


def _flood(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    del servers
    runs = {
        name: asdict(flood.play(flood.Flood(seed=options.seed, customers=customers)))
        for name, customers in flood.CROWDS.items()
    }
    return {"runs": runs, "quota": flood.QUOTA, "connect_rate": settings().limits.connect_rate}


def _latency(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    del options, servers
    return measurements.latency(texts=300, per_second=4)


def _about(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{_processor_name()}, {_processors()} of them, {platform.system()} {platform.machine()}",
        "versions": {
            "Python": variants.interpreter().version,
            "OpenSSL": variants.interpreter().openssl,
            **{name: version(name) for name in ("botocore", "boto3", "aws-lambda-powertools", "pydantic")},
        },
        "seed": options.seed,
        "rounds": options.rounds,
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "an unnamed processor"


def _processors() -> int:
    return os.cpu_count() or 1


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
