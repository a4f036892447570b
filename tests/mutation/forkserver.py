"""Runs pytest in forks of a process that has already imported the libraries of the tests, which takes seconds.

`python forkserver.py` reads jobs from standard input, each a line of JSON: `root`, a copy of the tree; `arguments` of
pytest; `seconds`, the timeout; `output`, a file for pytest's output. For each job it writes one line: pytest's exit
code, or null after the timeout.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

sys.path.pop(0)  # the folder of this script: its modules are to be imported as those of the copy, by their full name

import aws_lambda_powertools  # noqa: F401
import boto3  # noqa: F401
import hypothesis.strategies  # noqa: F401
import pydantic  # noqa: F401
import pytest
import rich.table  # noqa: F401
import typer.main  # noqa: F401

_running: set[int] = set()


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(job)
        _running.add(child)
        code = _wait(child, job["seconds"])
        _running.discard(child)
        sys.stdout.write(f"{json.dumps(code)}\n")
        sys.stdout.flush()


def _run(job: dict[str, Any]) -> NoReturn:
    code = 3  # pytest's own for an internal error
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        root = Path(job["root"])
        os.chdir(root)
        sys.path[:0] = [str(root / "lambda"), str(root)]
        output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDONLY)
        for file, descriptor in ((null, 0), (output, 1), (output, 2)):
            os.dup2(file, descriptor)
        code = int(pytest.main(job["arguments"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait(child: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            _kill(child)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _end(*_: object) -> NoReturn:
    for group in _running:
        _kill(group)
    os._exit(1)


if __name__ == "__main__":
    main()
