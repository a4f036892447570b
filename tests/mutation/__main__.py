"""`python -m tests.mutation [NAME]`: the table mechanism, test, red or not. Exit code 1 where a promise is not held.

With `--random N --seed S` N mutants that nobody chose instead; exit code 1 where one survives.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from types import FrameType

from rich.console import Console
from rich.table import Table

from tests.mutation.harness import Harness, MutationError, Verdict
from tests.mutation.patches import MECHANISMS
from tests.mutation.random_mutants import Found, run

_TAIL = 25
"""Lines shown of what a run said that did not turn red."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="mechanisms whose name contains this")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="so many random mutants instead")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which ones")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if options.random:
        return by_chance(console, count=options.random, seed=options.seed)
    only = options.only
    chosen = [mechanism for mechanism in MECHANISMS if only in mechanism.name]
    if not chosen:
        names = sorted({mechanism.name.partition("/")[0] for mechanism in MECHANISMS})
        console.print(f"no mechanism is called {only}; there are: {', '.join(names)}", markup=False)
        return 2
    started = time.monotonic()
    try:
        with console.status("with nothing taken out") as status, Harness.open(chosen) as harness:
            done: list[Verdict] = []

            def show(verdict: Verdict) -> None:
                done.append(verdict)
                status.update(f"{len(done)} of {len(chosen)}: {verdict.mechanism.name} {verdict.result}")

            verdicts = harness.take_out_all(chosen, on_verdict=show)
    except MutationError as error:
        console.print(f"mutation: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    console.print(table(verdicts))
    wrong = [verdict for verdict in verdicts if not verdict.held]
    for verdict in wrong:
        console.rule(f"{verdict.mechanism.name}: {verdict.result}", align="left")
        console.print("\n".join(verdict.detail.splitlines()[-_TAIL:]), markup=False, soft_wrap=True)
    console.print(
        f"{len(verdicts)} times a mechanism was taken out: {len(verdicts) - len(wrong)} red, {len(wrong)} not; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if wrong else 0


def by_chance(console: Console, *, count: int, seed: int) -> int:
    """Each survivor with its place and what was changed; then how many there were of each kind."""
    started = time.monotonic()
    try:
        with console.status("which test runs what") as status:

            def show(found: Found, done: int) -> None:
                status.update(f"{done} of {count}")
                if found.result == "SURVIVES":
                    place = f"{found.mutant.file}:{found.mutant.line}"
                    console.print(f"{place} {found.mutant.definition}", markup=False, soft_wrap=True)
                    console.print(f"  - {found.before}\n  + {found.after}", markup=False, soft_wrap=True)

            results = run(count=count, seed=seed, on_found=show)
    except MutationError as error:
        console.print(f"mutation: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    for found in results:
        if found.result == "not run":
            console.print(f"only in a sandbox: {found.mutant.file}:{found.mutant.line} {found.after}", markup=False)
    counts = Counter(found.result for found in results)
    said = ", ".join(f"{number} {result}" for result, number in sorted(counts.items()))
    console.print(f"{len(results)} mutants of seed {seed}: {said}; {time.monotonic() - started:.0f} s")
    return 1 if counts["SURVIVES"] else 0


def table(verdicts: list[Verdict]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=80)
    shown.add_column("taken out", width=22)
    shown.add_column("test of the promise", ratio=1)
    shown.add_column("", width=7)
    shown.add_column("s", justify="right", width=3)
    for verdict in verdicts:
        style = "" if verdict.held else "bold red"
        tests = "\n".join(sentence(test) for test in verdict.mechanism.tests)
        shown.add_row(
            verdict.mechanism.name.replace("/", "/\n"), tests, verdict.result, f"{verdict.seconds:.0f}", style=style
        )
    return shown


def sentence(test: str) -> str:
    """A test's name to read, with its file's."""
    file, _, name = test.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    return f"{file.rpartition('/')[2].removesuffix('.py')}: {name.removeprefix('test_').replace('_', ' ')}" + (
        f" ({case.split('-')[0]})" if case else ""
    )


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main(sys.argv[1:]))
