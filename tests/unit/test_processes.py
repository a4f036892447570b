"""Ending processes: all of ours, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import processes
from sandbox.processes import Process

PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('up', flush=True); {then}"
SLEEP = "import time; time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + SLEEP


def start(tmp_path: Path, script: str, *, until: str) -> Process:
    """Python that runs `script`, once it has written `until` to its log."""
    log = tmp_path / "log"
    process = Process.start([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, log=log)
    while until not in log.read_text():
        assert process.running, log.read_text()
    return process


def test_children_are_ended_with_their_parent(tmp_path: Path) -> None:
    process = start(tmp_path, PARENT.format(child=SLEEP, then=SLEEP), until="up")
    assert process.running
    process.stop()
    assert not process.running
    assert not processes._group_lives(process.pid)


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, DEAF, until="deaf")
    process.stop(patience=0.1)
    assert not process.running


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path, "print('up', flush=True); " + SLEEP, until="up")
    # as another command would find it: the number, but another start
    child = processes._children.pop(process.pid)
    replace(process, started="1").stop()
    assert process.running
    processes._children[process.pid] = child
    process.stop()
    assert not process.running


def test_another_command_ends_what_this_one_started(tmp_path: Path) -> None:
    process = start(tmp_path, "print('up', flush=True); " + SLEEP, until="up")
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from sandbox.processes import Process; Process({process.pid}, {process.started!r}).stop()",
        ],
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert not process.running
    process.stop()


def test_where_there_is_no_proc_ps_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path / "nowhere")
    process = start(tmp_path, PARENT.format(child=SLEEP, then=SLEEP), until="up")
    assert process.running
    assert processes._group_lives(process.pid)
    process.stop()
    assert not process.running
