"""A pytest plugin that records which functions each test calls, and how long it takes.

`pytest -p tests.mutation.reach --reach FILE` writes it as JSON: by test, `seconds` and `functions` (file::definition).
Calls of a session fixture count for the test that used it first.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.mutation.mutants import FOLDERS

ROOT = Path(__file__).parents[2]
_OURS = tuple(f"{ROOT / folder}/" for folder in FOLDERS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reach", default="", help="File for the functions that each test runs.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--reach"):
        config.pluginmanager.register(_Reach(Path(config.getoption("--reach"))))


class _Reach:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._tests: dict[str, dict[str, Any]] = {}
        self._codes: set[CodeType] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._codes, began = set(), time.monotonic()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self._tests[item.nodeid] = {
                "seconds": round(time.monotonic() - began, 3),
                "functions": sorted({_named(code) for code in self._codes}),
            }

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(self._tests))

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            self._codes.add(frame.f_code)


def _named(code: CodeType) -> str:
    """Place as in Mutant; a nested function belongs to the outer one."""
    file = Path(code.co_filename).relative_to(ROOT).as_posix()
    return f"{file}::{code.co_qualname.partition('.<locals>')[0]}"
