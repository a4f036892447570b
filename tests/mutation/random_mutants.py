"""`python -m tests.mutation --random N [--seed S]`: mutants that nobody chose, and which of them no test notices."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from tests.mutation.harness import ROOT, Copy, MutationError, copy_tree
from tests.mutation.mutants import FOLDERS, Mutant, chosen, equivalents, is_written_down

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
_UNIT = ("tests/unit",)
_INFRA = "tests/infra"
_OTHER = ("test_archive.py", "test_packaging.py", "test_synth.py")
"""Of the functions' archive, slow, and of the CDK's command line tool, which no copy has."""
_LONGEST = 600.0
"""Seconds for the tests of one mutant: what hangs is noticed."""
_MAPPING = 3600.0
_KEPT = ROOT / "build" / "reach"
"""Which test runs what is kept for as long as source and tests stay as they are."""

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
    """By unit test, which functions it runs and how long it takes; and the files with tests of the template."""

    tests: Mapping[str, Mapping[str, Any]]
    infra: Sequence[str] = ()

    @classmethod
    def of(cls, copy: Copy) -> Reach:
        """Of the unit tests. Raises MutationError where one is red before anything is changed."""
        kept = _KEPT / f"{_fingerprint(copy.root)}.json"
        if not kept.exists():
            file = copy.root / "reach.json"
            options = ["-q", "-p", "tests.mutation.reach", "--reach", str(file), "-pno:cacheprovider", "-x"]
            code, output = copy.python("-m", "pytest", *options, *_UNIT, seconds=_MAPPING)
            if code != 0:
                raise MutationError(f"not green before anything is changed:\n{output[-4000:]}")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, kept)
        infra = sorted((copy.root / _INFRA).glob("test_*.py"))
        return cls(
            tests=json.loads(kept.read_text()),
            infra=[path.relative_to(copy.root).as_posix() for path in infra if path.name not in _OTHER],
        )

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
        of_template = self.infra if mutant.file.startswith("infra/") else ()  # most of it runs in their fixtures
        return [*sorted(found, key=lambda test: found[test]), *of_template]


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in (*FOLDERS, "tests", "sandbox"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def run(
    *, count: int, seed: int, at_once: int = 2, on_found: Callable[[Found, int], None] = lambda *_: None
) -> list[Found]:
    """In the order of the sample. Raises MutationError."""
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
