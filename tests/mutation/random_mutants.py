"""Random mutants (`python -m tests.mutation --random N --seed S`), each run against the tests that reach it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.mutation.harness import AT_ONCE, ROOT, Copy, MutationError, in_copies
from tests.mutation.mutants import FOLDERS, Mutant, chosen, equivalents, is_written_down

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
_UNIT = ("tests/unit",)
_INFRA = "tests/infra"
_READ = {
    "infra/packaging/": (f"{_INFRA}/test_archive.py", f"{_INFRA}/test_packaging.py"),
    "ops/": ("tests/unit/ops/test_commands.py",),
}
"""Tests of what is made of a folder's code without a call in the test: the archive, and the commands' options."""
_OTHER = (*_READ["infra/packaging/"], f"{_INFRA}/test_synth.py")
"""Slow ones, and those of the CDK command line, which copies do not have."""
_FIRST = 12
"""Number of tests that run before the others are collected. They kill most mutants."""
_LONGEST = 600.0
"""Seconds for the tests of one mutant. A mutant that takes longer is killed."""
_MAPPING = 3600.0
_KEPT = ROOT / "build" / "reach"
"""Which test reaches what is kept here until sources or tests change."""

Result = Literal["noticed", "SURVIVES", "equivalent", "not run"]


@dataclass(frozen=True, slots=True)
class Found:
    """Result of one mutant. "not run": only tests of the sandbox reach that function."""

    mutant: Mutant
    result: Result
    before: str
    after: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Functions and duration of each unit test; `infra`: files with tests of the template."""

    tests: Mapping[str, Mapping[str, Any]]
    infra: Sequence[str] = ()

    @classmethod
    def of(cls, copy: Copy) -> Reach:
        """Record the unit tests. Raises MutationError if one fails."""
        kept = _KEPT / f"{_fingerprint(copy.root)}.json"
        if not kept.exists():
            file = copy.root / "reach.json"
            options = ["-q", "-p", "tests.mutation.reach", "--reach", str(file), "-pno:cacheprovider", "-x"]
            code, output = copy.pytest(*options, *_UNIT, seconds=_MAPPING)
            if code != 0:
                raise MutationError(f"tests fail without a mutation:\n{output[-4000:]}")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, kept)
        infra = (path.relative_to(copy.root).as_posix() for path in sorted((copy.root / _INFRA).glob("test_*.py")))
        return cls(tests=json.loads(kept.read_text()), infra=[file for file in infra if file not in _OTHER])

    def for_mutant(self, mutant: Mutant) -> list[str]:
        """Tests that reach the mutant, the quickest first. For code outside of functions: tests that reach its file."""
        place = f"{mutant.file}::{mutant.definition}"
        whole = not mutant.definition or not any(place in one["functions"] for one in self.tests.values())
        found = {
            test: one["seconds"]
            for test, one in self.tests.items()
            if place in one["functions"]
            or (whole and any(function.startswith(f"{mutant.file}::") for function in one["functions"]))
        }
        of_template = self.infra if mutant.file.startswith("infra/") else ()  # most of it runs in their fixtures
        read = next((tests for folder, tests in _READ.items() if mutant.file.startswith(folder)), ())
        return [*sorted(found, key=lambda test: found[test]), *of_template, *read]


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in (*FOLDERS, "testing", "tests", "sandbox"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def run(
    *, count: int, seed: int, at_once: int = AT_ONCE, on_found: Callable[[Found], None] = lambda _: None
) -> list[Found]:
    """In the order of the sample. Raises MutationError."""
    known = equivalents(EQUIVALENT)
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        copies = [Copy.create(Path(folder) / str(number)) for number in range(at_once)]
        try:
            reach = Reach.of(copies[0])

            def one(mutant: Mutant, copy: Copy) -> Found:
                return _try(mutant, copy, reach.for_mutant(mutant), known)

            return in_copies(copies, chosen(ROOT, count=count, seed=seed), one, on_result=on_found)
        finally:
            for copy in copies:
                copy.end()


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
        options = ["-q", "-x", "-pno:cacheprovider", "--hypothesis-seed=0"]
        parts = [part for part in (tests[:_FIRST], tests[_FIRST:]) if part]
        survives = all(copy.pytest(*options, *part, seconds=_LONGEST)[0] == 0 for part in parts)
    finally:
        path.write_text(source, encoding="utf-8")
    result: Result = "SURVIVES" if survives else "noticed"
    return Found(mutant, result, before, after, time.monotonic() - began)
