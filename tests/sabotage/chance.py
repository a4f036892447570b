"""`python -m tests.sabotage --random N [--seed S]`: mutants that nobody chose, and which of them no test notices."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from tests.sabotage.mutants import Mutant, chosen, equivalents, is_written_down
from tests.sabotage.workshop import ROOT, Copy, SabotageError, copy_tree

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
_SUITES = ("tests/unit", "tests/model", "tests/infra")
"""Where the tests are that need no sandbox."""
_SLOW = ("tests/infra/test_archive.py", "tests/infra/test_packaging.py", "tests/infra/test_synth.py")
"""Only for what they are about."""
_LONGEST = 600.0
"""Seconds for the tests of one mutant: what hangs is noticed."""
_MAPPING = 3600.0

Result = Literal["noticed", "SURVIVES", "equivalent", "not run"]


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one mutant. "not run": no test without a sandbox gets to that function."""

    mutant: Mutant
    result: Result
    before: str
    after: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reach:
    """By test, which functions it runs and how long it takes."""

    tests: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, copy: Copy) -> Reach:
        """Raises SabotageError where a test is red before anything is changed."""
        file = copy.root / "reach.json"
        options = ["-q", "-p", "tests.sabotage.reach", "--reach", str(file), "-pno:cacheprovider", "-x"]
        code, output = copy.python("-m", "pytest", *options, *_SUITES, seconds=_MAPPING)
        if code != 0:
            raise SabotageError(f"not green before anything is changed:\n{output[-4000:]}")
        return cls(json.loads(file.read_text()))

    def for_mutant(self, mutant: Mutant) -> list[str]:
        """Tests that get to it, the quickest first; of what is in no function, those that get to its file."""
        place = f"{mutant.file}::{mutant.definition}"
        whole = not mutant.definition or not any(place in one["functions"] for one in self.tests.values())
        found = {
            test: one["seconds"]
            for test, one in self.tests.items()
            if place in one["functions"]
            or (whole and any(function.startswith(f"{mutant.file}::") for function in one["functions"]))
        }
        if mutant.file.startswith("infra/"):  # most of it runs in fixtures of the session
            found |= {
                test: one["seconds"]
                for test, one in self.tests.items()
                if test.startswith("tests/infra/") and (not test.startswith(_SLOW) or test in found)
            }
        return sorted(found, key=lambda test: found[test])


def run(
    *, count: int, seed: int, at_once: int = 2, on_found: Callable[[Found, int], None] = lambda *_: None
) -> list[Found]:
    """In the order of the sample. Raises SabotageError."""
    known = equivalents(EQUIVALENT)
    sample = chosen(ROOT, count=count, seed=seed)
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        copies = [Copy(Path(folder).resolve() / str(number)) for number in range(at_once)]
        for copy in copies:
            copy_tree(copy.root)
            copy.check_imports()
            copy.compile()
        reach = Reach.of(copies[0])
        idle: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            idle.put(copy)
        stopped = threading.Event()

        def one(mutant: Mutant) -> Found | None:
            if stopped.is_set():
                return None
            copy = idle.get()
            try:
                return _try(mutant, copy, reach.for_mutant(mutant), known)
            finally:
                idle.put(copy)

        found: dict[int, Found] = {}
        with ThreadPoolExecutor(at_once) as pool:
            order = {pool.submit(one, mutant): number for number, mutant in enumerate(sample)}
            try:
                for future in as_completed(order):
                    if result := future.result():
                        found[order[future]] = result
                        on_found(result, len(found))
            except BaseException:
                stopped.set()
                for copy in copies:
                    copy.end()
                raise
    return [found[number] for number in sorted(found)]


def _try(mutant: Mutant, copy: Copy, tests: Sequence[str], known: Sequence[Any]) -> Found:
    path = copy.root / mutant.file
    source = path.read_text(encoding="utf-8")
    before, after = mutant.change(source)
    if is_written_down(mutant, source, known):
        return Found(mutant, "equivalent", before, after)
    if not tests:
        return Found(mutant, "not run", before, after)
    began = time.monotonic()
    try:
        path.write_text(mutant.applied(source), encoding="utf-8")
        options = ["-q", "-x", "-pno:cacheprovider", "-pno:anyio", "--hypothesis-seed=0"]
        code, _ = copy.python("-m", "pytest", *options, *tests, seconds=_LONGEST)
    finally:
        path.write_text(source, encoding="utf-8")
    result: Result = "SURVIVES" if code == 0 else "noticed"
    return Found(mutant, result, before, after, time.monotonic() - began)
