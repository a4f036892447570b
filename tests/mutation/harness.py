"""Runs mutation tests in copies of the tree.

A mutation is "red" if its test fails, not the test's set-up; if it fails on an assertion, not on a name that the patch
got wrong; and if a control test still passes, which shows that not everything is broken.
"""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, TypeVar
from xml.etree import ElementTree

from tests.mutation.places import PLACES

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bridge", "infra", "ops", "sandbox", "testing", "tests")
AT_ONCE = 2
T = TypeVar("T")
R = TypeVar("R")
_LONGEST = 180.0
"""Seconds for the tests of one mutation. After that it is not red."""
_SLIPS = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "TypeError")
"""A test that fails with one of these shows that the patch is wrong."""
_PARSING = threading.Lock()
"""Python 3.11 counts the depth of trees for all threads together, and raises SystemError where two parse at once."""


class MutationError(Exception):
    """The mutations cannot be run. The message says what to correct."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces a text that occurs exactly once in a function, a class or a file.

    `where`: a key of places.PLACES, or the path of a file for code outside of definitions.
    """

    where: str
    search: str
    replace: str

    @property
    def file(self) -> str:
        """Path from the root of the tree. Raises MutationError for an unknown place."""
        return self._place[0]

    def apply(self, root: Path) -> None:
        """Raises MutationError, with place and text, unless the text occurs exactly once."""
        file, definition = self._place
        path = root / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        start, end = span(text, definition) if definition else (0, len(text))
        inside = text[start:end]
        if (found := inside.count(self.search)) != 1:
            place = f"{file}::{definition}" if definition else file
            raise MutationError(f"{place}: to be found exactly once, is there {found} times:\n{self.search}")
        path.write_text(text[:start] + inside.replace(self.search, self.replace) + text[end:], encoding="utf-8")

    @property
    def _place(self) -> tuple[str, str]:
        if "/" in self.where or self.where.endswith(".py"):
            return self.where, ""
        if self.where not in PLACES:
            raise MutationError(f"places.py has no {self.where}, where this is to be found:\n{self.search}")
        file, _, definition = PLACES[self.where].partition("::")
        return file, definition


def span(source: str, definition: str) -> tuple[int, int]:
    """Start and end of a function (with decorators), class or constant; (0, 0) if there is none.

    `definition` is its qualified name: Class.method, function, or CONSTANT.
    """
    try:
        with _PARSING:
            node: ast.AST | None = ast.parse(source)
    except SyntaxError:  # of an earlier edit; the result is checked after all edits
        return 0, len(source)
    for name in definition.split("."):
        node = next((one for one in getattr(node, "body", ()) if _defines(one, name)), None)
    if not isinstance(node, ast.stmt):
        return 0, 0
    lines = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    return lines[first - 1], lines[node.end_lineno or node.lineno]


def _defines(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name == name
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`name`: what is mutated/how. `tests`: all must fail; of a test named without parameters, every case.

    `says`: a pattern that all failures must match. `control`: a test that must pass, in every case.
    """

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    control: str | None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Result of one test, and its message."""

    result: Literal["passed", "failed", "error", "skipped"]
    said: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """`cases` by pytest's node id; `code`: pytest's exit code, None after the timeout."""

    code: int | None
    cases: Mapping[str, Case]
    output: str

    def of(self, test: str) -> list[Case]:
        return [case for node, case in self.cases.items() if node == test or node.startswith(f"{test}[")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result`: "red", "STILL GREEN" or another problem, which `detail` explains."""

    mutation: Mutation
    result: str
    seconds: float
    detail: str = ""

    @property
    def held(self) -> bool:
        return self.result == "red"


@dataclass(slots=True)
class Copy:
    """A copy of the tree. What runs in it imports its packages instead of the originals."""

    root: Path
    _forkserver: subprocess.Popen[str] | None = None

    @classmethod
    def create(cls, root: Path) -> Copy:
        """Copy the tree to `root`. Raises MutationError."""
        copy = cls(root.resolve())
        copy_tree(copy.root)
        copy._check_imports()
        copy._compile()
        return copy

    def python(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def pytest(self, *arguments: str, seconds: float = _LONGEST) -> tuple[int | None, str]:
        """Exit code (None after the timeout) and output. Raises MutationError if `end` was called meanwhile."""
        if self._forkserver is None:
            self._forkserver = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("forkserver.py"))],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._forkserver.stdin and self._forkserver.stdout
        with tempfile.NamedTemporaryFile() as output:
            options = ["-pno:anyio", "-Wignore:Module already imported:pytest.PytestAssertRewriteWarning"]
            job = {"root": str(self.root), "arguments": [*options, *arguments], "seconds": seconds}
            try:
                self._forkserver.stdin.write(f"{json.dumps(job | {'output': output.name})}\n")
                self._forkserver.stdin.flush()
            except BrokenPipeError:
                pass  # there is no answer either
            if not (answer := self._forkserver.stdout.readline()):
                raise MutationError("the tests were interrupted")
            return json.loads(answer), Path(output.name).read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """End what runs in it."""
        if self._forkserver:
            with self._forkserver as process:
                process.terminate()

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
        return kept | {
            "PYTHONPATH": f"{self.root / 'lambda'}{os.pathsep}{self.root}",
            "PYTHONDONTWRITEBYTECODE": "1",  # byte-code is checked by the second, and would outlive a quick patch
        }

    def _check_imports(self) -> None:
        """Raises MutationError if a package is imported from elsewhere."""
        imports = f"import {', '.join(PACKAGES)}\nfor p in ({', '.join(PACKAGES)}): print(p.__file__)"
        code, output = self.python("-c", imports)
        if code or not all(Path(line).is_relative_to(self.root) for line in output.split("\n") if line):
            raise MutationError(f"the copy in {self.root} does not import its own packages:\n{output}")

    def _compile(self) -> None:
        """Make byte-code that is checked by the hash of its source: a patch invalidates it at once."""
        self.python("-m", "compileall", "-q", "--invalidation-mode=checked-hash", "lambda", *PACKAGES[1:])

    def test(self, tests: Sequence[str]) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            options = ["-q", "-pno:cacheprovider", "-pno:syrupy", "-o", "junit_family=xunit1", f"--junitxml={report}"]
            code, output = self.pytest(*options, *tests)
            cases = dict(_cases(report)) if report.is_file() and code is not None else {}
        return Run(code, cases, output)

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """Raises MutationError if the patch does not apply or leaves a name undefined."""
        files = {edit.file for edit in mutation.edits}
        before = {file: (self.root / file).read_bytes() for file in files if (self.root / file).is_file()}
        try:
            for edit in mutation.edits:
                edit.apply(self.root)
            code, output = self.python(
                "-m", "ruff", "check", "--quiet", "--isolated", "--select=E9,F821", *sorted(files)
            )
            if code:
                raise MutationError(f"the patch is no Python that could run:\n{output}")
            yield
        finally:
            for file, content in before.items():
                (self.root / file).write_bytes(content)


class Harness:
    """Runs mutation tests in copies of the tree, one in each copy at a time."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        self.copies = copies

    @classmethod
    @contextmanager
    def open(cls, mutations: Sequence[Mutation], *, at_once: int = AT_ONCE) -> Iterator[Harness]:
        """Raises MutationError if one of their tests fails without a mutation."""
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
            first = Copy.create(Path(folder) / "0")
            copies = [first]
            try:
                named = {test for mutation in mutations for test in mutation.tests}
                controls = {mutation.control for mutation in mutations if mutation.control}
                run = first.test(sorted(named | controls))
                if run.code != 0:
                    raise MutationError(f"tests fail without a mutation:\n{run.output}")
                if not_run := [test for test in sorted(named | controls) if not run.of(test)]:
                    raise MutationError("these tests were not run: " + ", ".join(not_run))
                for number in range(1, min(at_once, len(mutations))):
                    copies.append(Copy(first.root.with_name(str(number))))
                    # with the functions' archive, which the tests have packaged
                    shutil.copytree(first.root, copies[-1].root, symlinks=True)
                yield cls(copies)
            finally:
                for copy in copies:
                    copy.end()

    def run(
        self, mutations: Sequence[Mutation], *, on_verdict: Callable[[Verdict], None] = lambda _: None
    ) -> list[Verdict]:
        """Verdicts in the order of `mutations`."""
        return in_copies(self.copies, mutations, _verdict, on_result=on_verdict)


def in_copies(
    copies: Sequence[Copy], items: Sequence[T], work: Callable[[T, Copy], R], *, on_result: Callable[[R], None]
) -> list[R]:
    """Results of `work` for each item, in their order; each copy works at one item at a time."""
    idle: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        idle.put(copy)

    def one(item: T) -> R:
        copy = idle.get()
        try:
            return work(item, copy)
        finally:
            idle.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        futures = [pool.submit(one, item) for item in items]
        try:
            for future in as_completed(futures):
                on_result(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in copies:
                copy.end()
            raise
    return [future.result() for future in futures]


def _verdict(mutation: Mutation, copy: Copy) -> Verdict:
    started = time.monotonic()
    try:
        with copy.mutated(mutation):
            run = copy.test([*mutation.tests, *([mutation.control] if mutation.control else [])])
        result, detail = judged(mutation, run)
    except MutationError as exc:
        result, detail = "NO PATCH", str(exc)
    return Verdict(mutation, result, time.monotonic() - started, detail)


def judged(mutation: Mutation, run: Run) -> tuple[str, str]:
    """Result of a run with the mutation, and the detail unless it is "red"."""
    if run.code is None:
        return "HANGS", run.output
    of_tests = {test: run.of(test) for test in mutation.tests}
    if run.code not in (0, 1) or not all(of_tests.values()):
        return "NOT RUN", run.output
    cases = [case for found in of_tests.values() for case in found]
    if any(case.result == "error" for case in run.cases.values()):
        return "SET-UP FAILS", run.output
    if any(case.result != "failed" for case in cases):
        return "STILL GREEN", run.output
    if any(re.match(rf"({'|'.join(_SLIPS)})\b", case.said) for case in cases):
        return "PATCH IS WRONG", run.output
    if not all(re.search(mutation.says, case.said) for case in cases):
        return "OTHER REASON", f"nothing was said of {mutation.says!r}:\n{run.output}"
    if mutation.control and {case.result for case in run.of(mutation.control)} != {"passed"}:
        return "ALL BROKEN", run.output
    return "red", ""


def _cases(report: Path) -> Iterator[tuple[str, Case]]:
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # written by pytest, so trusted
        node = f"{case.get('file')}::{case.get('name')}"
        for kind, result in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
            if (found := case.find(kind)) is not None:
                yield node, Case(result, f"{found.get('message', '')}\n{found.text or ''}")  # type: ignore[arg-type]
                break
        else:
            yield node, Case("passed")


def copy_tree(target: Path) -> None:
    """Copy all files that git tracks or would add, with bridge.toml as it is shipped; link node_modules."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, set(listed.split("\0"))):
        source = ROOT / ("docs/bridge.toml" if name == "bridge.toml" else name)
        if source.is_file():  # else deleted and not yet committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    if (ROOT / "node_modules").is_dir():
        (target / "node_modules").symlink_to(ROOT / "node_modules", target_is_directory=True)
