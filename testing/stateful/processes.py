"""Processes that end, or are interrupted, at a chosen call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import pytest
from hypothesis import strategies as st

from bridge import logging
from bridge.processing import batch

T = TypeVar("T")


class KilledError(BaseException):
    """A process is killed. A BaseException, so that no code of the bridge catches it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The `nth` call named `call` of a process: before it has an effect or, if `done`, after."""

    call: str
    nth: int
    done: bool


class Process:
    """A process that calls services. `happens` runs at `moment`; once it raised KilledError, every call raises it."""

    def __init__(self, moment: Moment | None, happens: Callable[[], None]) -> None:
        self._moment, self._happens = moment, happens
        self._calls = 0
        self._over = False

    def call(self, name: str, do: Callable[[], T]) -> T:
        moment = self._moment
        if self._over:
            raise KilledError
        if moment is None or moment.call != name:
            return do()
        self._calls += 1
        if self._calls != moment.nth:
            return do()
        if not moment.done:
            self._happen()
        answer = do()
        if moment.done:
            self._happen()
        return answer

    def _happen(self) -> None:
        try:
            self._happens()
        except KilledError:
            self._over = True
            raise


def kill_process() -> NoReturn:
    raise KilledError


class KillableProxy:
    """Forwards every method of `of` through `process`. `called` is a prefix of the names of its calls."""

    def __init__(self, of: object, process: Process, *, called: str = "") -> None:
        self._of, self._process, self._called = of, process, called

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._of, name)
        return lambda *args, **kwargs: self._process.call(self._called + name, lambda: method(*args, **kwargs))


def moments(*calls: str) -> st.SearchStrategy[Moment | None]:
    return st.none() | st.builds(Moment, st.sampled_from(calls), st.integers(1, 2), st.booleans())


class SequentialExecutor:
    """Replaces ThreadPoolExecutor: one message group after the other, so that an example can be reproduced."""

    def __init__(self, max_workers: int) -> None:
        assert max_workers > 0

    def __enter__(self) -> SequentialExecutor:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, do: Callable[[Any], Any], each: Sequence[Any]) -> Iterator[Any]:
        return iter([do(one) for one in each])


def sequential_and_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No threads and no log lines."""
    monkeypatch.setattr(batch, "ThreadPoolExecutor", SequentialExecutor)
    silent = dict.fromkeys(("debug", "info", "warning", "error"), lambda *_, **__: None)
    monkeypatch.setattr(logging, "logger", SimpleNamespace(**silent))
