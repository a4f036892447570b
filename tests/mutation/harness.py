"""Copies of the tree in which something is taken out, and what the tests there say.

A mechanism counts as held when its test, and not its set-up, fails in the copy; when it fails for what it asserts, not
over a name that the patch got wrong; and when a control test still passes, so that not everything is broken.
"""

from __future__ import annotations

import ast
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Literal
from xml.etree import ElementTree

from tests.mutation.places import PLACES

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bridge", "infra", "ops", "sandbox", "testing", "tests")
AT_ONCE = 2
_LONGEST = 180.0
"""Seconds for the tests of one mechanism: what hangs is not red."""
_SLIPS = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "TypeError")
"""With these a test fails because the patch is wrong, whatever it was meant to take out."""


class MutationError(Exception):
    """The mutations cannot be run; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that occurs exactly once in a function, a class or a whole file becomes another.

    `where` is a key of places.PLACES, or the path of a file for what is in no definition. Code that moves to another
    file changes one line there.
    """

    where: str
    search: str
    replace: str

    @property
    def file(self) -> str:
        """Its path from the root of the tree. Raises MutationError where no place is called so."""
        return self._place[0]

    def apply(self, root: Path) -> None:
        """Raises MutationError, which names place and text."""
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
    """Where a function, class or constant begins, its decorators included, and ends; (0, 0) where there is none.

    `definition` is its qualified name: Class.method, function, or CONSTANT.
    """
    try:
        node: ast.AST | None = ast.parse(source)
    except SyntaxError:  # an edit before this one; what it left is judged when all are made
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
class Mechanism:
    """`name` is mechanism/how it is taken out. Of a test without its parameters, every case must turn red.

    `says`: what the failures must speak of. `control`: what must stay green, in every case.
    """

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    control: str | None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What became of one test, and what it said."""

    result: Literal["passed", "failed", "error", "skipped"]
    said: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """`cases` by pytest's node id; `code` is pytest's exit code, None where it had to be ended."""

    code: int | None
    cases: Mapping[str, Case]
    output: str

    def of(self, test: str) -> list[Case]:
        return [case for node, case in self.cases.items() if node == test or node.startswith(f"{test}[")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result` is "red", "STILL GREEN", or what else went wrong; `detail` explains the latter."""

    mechanism: Mechanism
    result: str
    seconds: float
    detail: str = ""

    @property
    def held(self) -> bool:
        return self.result == "red"


@dataclass(slots=True)
class Copy:
    """A tree of its own, whose packages are imported instead of the originals."""

    root: Path
    _running: set[int] = field(default_factory=set)

    def python(self, *arguments: str, seconds: float = _LONGEST) -> tuple[int | None, str]:
        """Exit code (None: ended for taking too long) and output."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
        environment |= {
            "PYTHONPATH": f"{self.root / 'lambda'}{os.pathsep}{self.root}",
            "PYTHONDONTWRITEBYTECODE": "1",  # it would be known by the second and outlive a quick patch
        }
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.add(process.pid)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process.pid)
            return None, process.communicate()[0]
        finally:
            self._running.discard(process.pid)
        return process.returncode, output

    def end(self) -> None:
        """End what runs in it."""
        for group in tuple(self._running):
            _end(group)

    def check_imports(self) -> None:
        """Raises MutationError where a package would be imported from elsewhere."""
        imports = f"import {', '.join(PACKAGES)}\nfor p in ({', '.join(PACKAGES)}): print(p.__file__)"
        code, output = self.python("-c", imports)
        if code or not all(Path(line).is_relative_to(self.root) for line in output.split("\n") if line):
            raise MutationError(f"the copy in {self.root} does not import its own packages:\n{output}")

    def compile(self) -> None:
        """Byte-code that is looked up by the source's hash: a patch makes it void, at once."""
        self.python("-m", "compileall", "-q", "--invalidation-mode=checked-hash", "lambda", *PACKAGES[1:])

    def test(self, tests: Sequence[str]) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            options = ["-q", "-o", "junit_family=xunit1", f"--junitxml={report}"]
            options += [f"-pno:{plugin}" for plugin in ("cacheprovider", "syrupy", "anyio")]  # what costs time
            code, output = self.python("-m", "pytest", *options, *tests)
            cases = dict(_cases(report)) if report.is_file() and code is not None else {}
        return Run(code, cases, output)

    @contextmanager
    def without(self, mechanism: Mechanism) -> Iterator[None]:
        """Raises MutationError where the patch does not apply, or leaves a name undefined."""
        files = {edit.file for edit in mechanism.edits}
        before = {file: (self.root / file).read_bytes() for file in files if (self.root / file).is_file()}
        try:
            for edit in mechanism.edits:
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
    """So many copies, each for one mechanism at a time."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        self.copies = copies
        self._idle: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            self._idle.put(copy)

    @classmethod
    @contextmanager
    def open(cls, mechanisms: Sequence[Mechanism], *, at_once: int = AT_ONCE) -> Iterator[Harness]:
        """Checks first that all their tests are green while nothing is taken out; raises MutationError."""
        with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
            first = Copy(Path(folder).resolve() / "0")
            copy_tree(first.root)
            first.check_imports()
            first.compile()
            named = {test for mechanism in mechanisms for test in mechanism.tests}
            controls = {mechanism.control for mechanism in mechanisms if mechanism.control}
            run = first.test(sorted(named | controls))
            if run.code != 0 or not all(run.of(test) for test in named | controls):
                raise MutationError(f"not green before anything is taken out:\n{run.output}")
            copies = [first]
            for number in range(1, min(at_once, len(mechanisms))):
                other = Path(folder).resolve() / str(number)
                shutil.copytree(
                    first.root, other, symlinks=True
                )  # with the functions' archive, which the tests have packed
                copies.append(Copy(other))
            try:
                yield cls(copies)
            finally:
                for copy in copies:
                    copy.end()

    def take_out(self, mechanism: Mechanism) -> Verdict:
        copy = self._idle.get()
        started = time.monotonic()
        try:
            with copy.without(mechanism):
                run = copy.test([*mechanism.tests, *([mechanism.control] if mechanism.control else [])])
            result, detail = judged(mechanism, run)
        except MutationError as exc:
            result, detail = "NO PATCH", str(exc)
        finally:
            self._idle.put(copy)
        return Verdict(mechanism, result, time.monotonic() - started, detail)

    def take_out_all(
        self, mechanisms: Sequence[Mechanism], *, on_verdict: Callable[[Verdict], None] = lambda _: None
    ) -> list[Verdict]:
        """Verdicts in the order of `mechanisms`."""
        stopped = threading.Event()

        def one(mechanism: Mechanism) -> Verdict | None:
            return None if stopped.is_set() else self.take_out(mechanism)

        with ThreadPoolExecutor(len(self.copies)) as pool:
            order = {pool.submit(one, mechanism): number for number, mechanism in enumerate(mechanisms)}
            verdicts: dict[int, Verdict] = {}
            try:
                for future in as_completed(order):
                    if verdict := future.result():
                        verdicts[order[future]] = verdict
                        on_verdict(verdict)
            except BaseException:
                stopped.set()
                for copy in self.copies:
                    copy.end()
                raise
        return [verdicts[number] for number in sorted(verdicts)]


def judged(mechanism: Mechanism, run: Run) -> tuple[str, str]:
    """What a run with the mechanism taken out shows, and why where it is not red."""
    if run.code is None:
        return "HANGS", run.output
    of_tests = {test: run.of(test) for test in mechanism.tests}
    if run.code not in (0, 1) or not all(of_tests.values()):
        return "NOT RUN", run.output
    cases = [case for found in of_tests.values() for case in found]
    if any(case.result == "error" for case in run.cases.values()):
        return "SET-UP FAILS", run.output
    if any(case.result != "failed" for case in cases):
        return "STILL GREEN", run.output
    if any(re.match(rf"({'|'.join(_SLIPS)})\b", case.said) for case in cases):
        return "PATCH IS WRONG", run.output
    if not all(re.search(mechanism.says, case.said) for case in cases):
        return "OTHER REASON", f"nothing was said of {mechanism.says!r}:\n{run.output}"
    if mechanism.control and {case.result for case in run.of(mechanism.control)} != {"passed"}:
        return "ALL BROKEN", run.output
    return "red", ""


def _cases(report: Path) -> Iterator[tuple[str, Case]]:
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # pytest's own, not a stranger's
        node = f"{case.get('file')}::{case.get('name')}"
        for kind, result in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
            if (found := case.find(kind)) is not None:
                yield node, Case(result, f"{found.get('message', '')}\n{found.text or ''}")  # type: ignore[arg-type]
                break
        else:
            yield node, Case("passed")


def copy_tree(target: Path) -> None:
    """What git knows or would add, as it stands now, but bridge.toml as it is shipped; and node_modules."""
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


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
