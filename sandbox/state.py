"""What is saved of each sandbox in .sandbox/<name>/, so that a later command finds it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from filelock import FileLock, Timeout

from sandbox.process_group import ProcessGroup

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "111122223333"
REGION = "us-east-1"
_HOME = ROOT / ".sandbox"

LOCAL_AWS, SIMULATOR = "ministack", "double"
"""The processes of a sandbox, as its logs, its saved state and error messages call them."""
_CDK_ADDS = "Subprocess exited with error"
"""The CDK's own last line about a failed synth. The app's output before it says more."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked.

    Its message is for users. `tail`: the last lines of `log`, the log file that says why.
    """

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        self.tail: list[str] = []
        if log and log.exists():
            with log.open(encoding="utf-8", errors="replace") as text:
                lines = (_plain(line) for line in text if line.strip() and _CDK_ADDS not in line)
                self.tail = list(deque(lines, maxlen=15))


@dataclass(slots=True, kw_only=True)
class State:
    """One sandbox: its ports, its processes by name, and what is deployed to it."""

    region: ClassVar[str] = REGION
    account: ClassVar[str] = ACCOUNT

    name: str
    port: int
    simulator_port: int
    processes: dict[str, ProcessGroup]
    config: str = ""
    stack: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str) -> Self | None:
        """The sandbox as last saved, whether or not it still runs."""
        try:
            saved = json.loads((folder_of(name) / "state.json").read_text(encoding="utf-8"))
            processes = {role: ProcessGroup(**process) for role, process in saved.pop("processes").items()}
            return cls(processes=processes, simulator_port=saved.pop("double_port"), **saved)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self) -> None:
        saved = asdict(self)
        saved["double_port"] = saved.pop("simulator_port")
        new = self.folder / "state.new"
        new.write_text(json.dumps(saved, indent=2), encoding="utf-8")
        new.replace(self.folder / "state.json")

    @property
    def endpoint_url(self) -> str:
        """Of the local AWS."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def folder(self) -> Path:
        return folder_of(self.name)

    @property
    def running(self) -> bool:
        """Whether all its processes run."""
        return {LOCAL_AWS, SIMULATOR} <= self.processes.keys() and all(p.running for p in self.processes.values())

    def log(self, step: str) -> Path:
        return self.folder / "logs" / f"{step}.log"

    def calls_file(self, process: str) -> Path:
        """Where this process records the AWS calls of the functions."""
        return self.folder / "logs" / f"{process}.calls.jsonl"

    def calls(self) -> list[dict[str, Any]]:
        """The AWS calls that the functions have made so far, each once.

        Keys: `caller` (the function's name), `service`, `operation` (or method and path where the protocol names
        none) and `on`, the parameters that name a resource.
        """
        files = [self.calls_file(process) for process in self.processes]
        return [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]


def names() -> list[str]:
    """The sandboxes that have a saved state, whether they run or not."""
    return sorted(path.parent.name for path in _HOME.glob("*/state.json"))


def folder_of(name: str) -> Path:
    return _HOME / name


def check_name(name: str) -> None:
    """Raises SandboxError when a sandbox cannot have this name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
        raise SandboxError("a sandbox's name is made of letters, digits, - and _")


def remove(name: str, *, keep: str | None = None) -> None:
    """Removes the sandbox's folder. keep: a subfolder that stays."""
    folder = folder_of(name)
    for path in folder.glob("*") if folder.exists() else ():
        if path.is_dir() and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file():
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the lock of this sandbox. Raises SandboxError at once when another command has it."""
    _HOME.mkdir(exist_ok=True)
    path = _HOME / f".{name}.lock"
    try:
        with FileLock(path, blocking=False):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    except Timeout as exc:
        raise SandboxError(f"another command is working on sandbox {name} just now") from exc


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip()
