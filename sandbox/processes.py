"""Processes that outlive the command that started them, and are ended by a later one: those and no others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self/stat")
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Process:
    """A process that leads its own group. A number alone may be somebody else's by now: its start time is kept."""

    pid: int
    started: str

    @classmethod
    def start(cls, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path) -> Process:
        """Runs `command` in a session of its own, so that Ctrl-C at our terminal is ours alone to handle."""
        with log.open("wb") as output:
            child = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[child.pid] = child
        return cls(child.pid, _start_time(child.pid) or "")

    @property
    def running(self) -> bool:
        return self.exit_code is None and self.started != "" and _start_time(self.pid) == self.started

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and for a process that another command started."""
        child = _children.get(self.pid)
        return child.poll() if child else None

    def wait(self) -> int:
        """The exit code; only for a process that this command started."""
        return _children[self.pid].wait()

    def stop(self, *, patience: float = 1.0) -> None:
        """Ends the whole group: asks, and after `patience` seconds insists. Nothing when it is no longer ours."""
        if self.running or self.pid in _children:
            _signal(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + patience
            while _group_lives(self.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _group_lives(self.pid):
                _signal(self.pid, signal.SIGKILL)
                while _group_lives(self.pid):
                    time.sleep(0.02)
        if child := _children.pop(self.pid, None):
            child.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _start_time(pid: int) -> str | None:
    """When the process began, in whatever unit the system counts; None when there is none (or only its remains)."""
    if PROC.exists():
        fields = _stat(Path(f"/proc/{pid}/stat"))
        return fields[19] if fields and fields[0] not in "ZX" else None
    state, _, began = _ps("-o", "stat=,lstart=", "-p", str(pid)).strip().partition(" ")
    return began.strip() if began and not state.startswith("Z") else None


def _group_lives(group: int) -> bool:
    """Whether any process of the group still runs; a zombie does not."""
    if child := _children.get(group):
        child.poll()
    if PROC.exists():
        stats = (_stat(path) for path in Path("/proc").glob("[0-9]*/stat"))
        return any(fields and fields[2] == str(group) and fields[0] not in "ZX" for fields in stats)
    rows = (line.split() for line in _ps("-A", "-o", "pgid=,stat=").splitlines())
    return any(row[0] == str(group) and not row[1].startswith("Z") for row in rows if len(row) == 2)


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], check=False, capture_output=True, text=True).stdout


def _stat(path: Path) -> list[str] | None:
    """Fields of proc(5) stat from the third (state) on; the second may hold spaces and parentheses."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
