"""Process groups that outlive the command that started them, and are ended by a later command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A process that leads its own group, and its children.

    started: its start time in seconds since the epoch. The system uses a process id again; the start time shows
    whether the id still means the same process.
    """

    pid: int
    started: float

    @classmethod
    def start(cls, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path) -> ProcessGroup:
        """Runs `command` in a new session, so that Ctrl-C in the terminal does not reach it."""
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
        return cls(child.pid, _start_time(child.pid) or 0.0)

    @property
    def running(self) -> bool:
        # The start time is computed from the clock, which may be set meanwhile: hence not by equality.
        started = _start_time(self.pid)
        return self.exit_code is None and started is not None and abs(started - self.started) < 60

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and for a process that another command started."""
        child = _children.get(self.pid)
        return child.poll() if child else None

    def wait(self) -> int:
        """The exit code. Only for a process that this command started."""
        return _children[self.pid].wait()

    def stop(self, *, grace_period: float = 1.0) -> None:
        """Ends all processes of the group: SIGTERM, and SIGKILL after `grace_period` seconds.

        Does nothing when the process id belongs to another process by now.
        """
        if self.running or self.pid in _children:
            _signal(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_period
            while group_runs(self.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            while group_runs(self.pid):
                _signal(self.pid, signal.SIGKILL)
                time.sleep(0.02)
        if child := _children.pop(self.pid, None):
            child.wait()


def group_runs(group: int) -> bool:
    """Whether any process of the group still runs; a zombie does not."""
    if child := _children.get(group):
        child.poll()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _start_time(pid: int) -> float | None:
    """None when there is no such process, or only a zombie."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
