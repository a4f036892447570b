"""Ending process groups: all of their processes, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from sandbox import process_group
from sandbox.process_group import ProcessGroup

PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('up', flush=True); {then}"
SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignores', flush=True); " + SLEEP


def start(tmp_path: Path, script: str, *, until: str) -> ProcessGroup:
    """Python that runs `script`, once it has written `until` to its log."""
    log = tmp_path / "log"
    process = ProcessGroup.start([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, log=log)
    while until not in log.read_text():
        assert process.running, log.read_text()
    return process


def test_children_are_ended_with_their_parent(tmp_path: Path) -> None:
    process = start(tmp_path, PARENT.format(child=SLEEP, then=SLEEP), until="up")
    assert process.running
    process.stop()
    assert not process.running
    assert not process_group.group_runs(process.pid)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN, until="ignores")
    process.stop(grace_period=0.1)
    assert not process.running


def test_another_process_with_the_same_id_is_not_ended(tmp_path: Path) -> None:
    process = start(tmp_path, "print('up', flush=True); " + SLEEP, until="up")
    # as another command would have saved it: the same id, another start time
    child = process_group._children.pop(process.pid)
    replace(process, started=1.0).stop()
    assert process.running
    process_group._children[process.pid] = child
    process.stop()
    assert not process.running


def test_another_command_can_end_a_process_of_this_one(tmp_path: Path) -> None:
    process = start(tmp_path, "print('up', flush=True); " + SLEEP, until="up")
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from sandbox.process_group import ProcessGroup; ProcessGroup({process.pid}, {process.started!r}).stop()",
        ],
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert not process.running
    process.stop()
