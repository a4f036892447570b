"""`python -m tests.mutation [NAME]`: the mutation tests of the list. `--random N --seed S`: N random mutants instead.

Exit code 1 if a mutation survives.
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
from tests.mutation.patches import MUTATIONS
from tests.mutation.random_mutants import Found, run

_TAIL = 25
"""Lines shown of the output of a run that did not turn red."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="mutations whose name contains this")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="so many random mutants instead")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which ones")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if options.random:
        return run_random(console, count=options.random, seed=options.seed)
    only = options.only
    chosen = [mutation for mutation in MUTATIONS if only in mutation.name]
    if not chosen:
        names = sorted({mutation.name.partition("/")[0] for mutation in MUTATIONS})
        console.print(f"no mutation is called {only}; there are: {', '.join(names)}", markup=False)
        return 2
    started = time.monotonic()
    try:
        with console.status("without a mutation") as status, Harness.open(chosen) as harness:
            done: list[Verdict] = []

            def show(verdict: Verdict) -> None:
                done.append(verdict)
                status.update(f"{len(done)} of {len(chosen)}: {verdict.mutation.name} {verdict.result}")

            verdicts = harness.run(chosen, on_verdict=show)
    except MutationError as error:
        console.print(f"mutation: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    console.print(table(verdicts))
    wrong = [verdict for verdict in verdicts if not verdict.held]
    for verdict in wrong:
        console.rule(f"{verdict.mutation.name}: {verdict.result}", align="left")
        console.print("\n".join(verdict.detail.splitlines()[-_TAIL:]), markup=False, soft_wrap=True)
    console.print(
        f"{len(verdicts)} mutations: {len(verdicts) - len(wrong)} red, {len(wrong)} not; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if wrong else 0


def run_random(console: Console, *, count: int, seed: int) -> int:
    """Print each survivor as it is found, with its place and change; then the counts."""
    started = time.monotonic()
    try:
        with console.status("recording which test reaches what") as status:
            done: list[Found] = []

            def show(found: Found) -> None:
                done.append(found)
                status.update(f"{len(done)} of {count}")
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
    shown.add_column("mutation", width=22)
    shown.add_column("test of the promise", ratio=1)
    shown.add_column("", width=7)
    shown.add_column("s", justify="right", width=3)
    for verdict in verdicts:
        style = "" if verdict.held else "bold red"
        tests = "\n".join(sentence(test) for test in verdict.mutation.tests)
        shown.add_row(
            verdict.mutation.name.replace("/", "/\n"), tests, verdict.result, f"{verdict.seconds:.0f}", style=style
        )
    return shown


def sentence(test: str) -> str:
    """A test's file and name as a sentence."""
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
