"""One deployment for all tests of this folder."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox, take_down
from sandbox.state import names
from tests.permissions import recording
from tests.permissions.recording import Made
from tests.sandbox.failed import Bridge, empty
from tests.sandbox.texts import Phones, until

_NAME = "tests-"
_LAST = "test_calls.py"
"""Runs last: it checks the AWS calls that the functions made in all other tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path == Path(__file__).with_name(_LAST))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """With free ports and a name of its own, so that tests can run beside another sandbox.

    Its runtime is the version of this Python, because MiniStack runs functions with this Python. So the byte-code in
    the archive is used, and functions start as fast as in AWS.
    """
    _end_what_a_killed_run_left()
    config = tmp_path_factory.mktemp("sandbox") / "bridge.toml"
    settings = Path(__file__).with_name("bridge.toml").read_text(encoding="utf-8")
    config.write_text(f'runtime = "python3.{sys.version_info.minor}"\n{settings}', encoding="utf-8")
    local = Sandbox.up(name=f"{_NAME}{os.getpid()}", port=0, simulator_port=0, config=config)
    try:
        yield local
    finally:
        local.down()


@pytest.fixture(scope="session", autouse=True)
def called_by_commands() -> Iterator[set[Made]]:
    """The AWS calls of all `bridge` commands that the tests have run in this process so far."""
    with recording.commands() as made:
        yield made


@pytest.fixture
def phones(sandbox: Sandbox) -> Iterator[Phones]:
    """The deployed bridge with empty queues and a simulator with its default settings and no chats."""
    phones = Phones(sandbox)
    until(lambda: phones.waiting() == 0, seconds=90, what="the conversations queue drained of earlier tests")
    phones.simulator.reset()
    yield phones
    phones.simulator.clear_faults()
    phones.simulator.close()


@pytest.fixture
def bridge_failed(phones: Phones, capsys: pytest.CaptureFixture[str]) -> Iterator[Bridge]:
    """`bridge failed ...` on empty queues. Returns its exit code, its output and its errors."""
    empty(phones)

    def failed(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["failed", *arguments, "--sandbox", phones.sandbox.name])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield failed
    empty(phones)


def _end_what_a_killed_run_left() -> None:
    for name in names():
        owner = re.fullmatch(rf"{_NAME}(\d+)(-\w+)?", name)
        if owner and not _runs(int(owner[1])):
            take_down(name)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
