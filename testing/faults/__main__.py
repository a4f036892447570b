"""`python -m testing.faults`: play a fault run and print its table. Exit code 1 if a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn, get_args

from testing.faults import report
from testing.faults.bridges import bridge, naive
from testing.faults.plan import Delivery, Plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testing.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the random generators; default: a new one")
    parser.add_argument("--delivery", choices=get_args(Delivery), default="integration-event", help="of all numbers")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--conversations", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=6, help="forward processes")
    parser.add_argument("--intakes", type=int, default=2, help="intake processes")
    parser.add_argument("--rate", type=float, default=None, help="texts a second; default: 80, with start-chat 20")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds; of the refusal, too")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--no-naive", action="store_true", help="only the bridge, as always with start-chat")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    plan = Plan(
        seed=seed,
        texts=options.texts,
        delivery=options.delivery,
        conversations=min(options.conversations, options.texts),
        forwards=options.workers,
        intakes=options.intakes,
        rate=options.rate or (20.0 if options.delivery == "start-chat" else 80.0),
        faults=not options.no_faults,
        outage=options.outage,
        refusal=options.outage,
    )
    _print(report.heading(plan))
    results = []
    for name, play in (("bridge", bridge), ("naive", naive)):
        if name == "naive" and (options.no_naive or plan.starts_chats):
            continue
        with tempfile.TemporaryDirectory(prefix=f"faults-{name}-") as folder:

            def say(what: str, name: str = name) -> None:
                _print(f"{name:>6}  {what}")

            results.append(asyncio.run(play(plan, Path(folder), say)))
    _print(report.table(plan, results))
    broken = report.broken(results[0])
    _print(broken or "every promise was kept")
    return 1 if broken else 0


def _print(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that the run's processes are ended
    sys.exit(main())
