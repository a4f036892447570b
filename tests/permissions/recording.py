"""Records the AWS calls of commands that run in this process, each once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import pytest

from ops import cli
from ops.target import Target
from testing.commands import known


class Made(NamedTuple):
    """A call of a client: `service` is the prefix of IAM actions, `on` are the string parameters."""

    caller: str
    service: str
    operation: str
    on: tuple[tuple[str, str], ...]


_MODULES = {"ops.replay.command": "replay", "ops.failed.commands": "failed redrive"}
"""Functions that other code calls to do the work of a command."""
_PREFIXES = {"monitoring": "cloudwatch"}
"""Prefixes of IAM actions that differ from the signing name."""


@contextmanager
def commands() -> Iterator[set[Made]]:
    """What `bridge ...` calls through `ops.cli.run`, by the command's name, and what is called by the functions that do
    a command's work; a set that grows."""
    made: set[Made] = set()
    running: list[str] = []
    app, client = cli.app, Target.client

    def run(arguments: list[str], **options: Any) -> Any:
        running.append(_command(arguments))
        try:
            return app(arguments, **options)
        finally:
            running.pop()

    def recorded(self: Target, *arguments: Any) -> Any:
        one = client(self, *arguments)
        if command := running[-1] if running else _by_function():
            one.meta.events.register("before-parameter-build", _recorder(made, command))
        return one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", run)
        patch.setattr(Target, "client", recorded)
        yield made


def _recorder(made: set[Made], command: str) -> Any:
    def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.signing_name
        on = [(name, value) for name, value in params.items() if isinstance(value, str)]
        tables = params.get("RequestItems", {}) if service == "dynamodb" else {}
        for table in [[("TableName", name)] for name in tables] or [[]]:
            made.add(Made(command, _PREFIXES.get(service, service), model.name, tuple(sorted([*on, *table]))))

    return record


def _by_function() -> str:
    """The command that a module's client works for; empty for other modules."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if command := _MODULES.get(frame.f_globals.get("__name__", "")):
            return command
        frame = frame.f_back
    return ""


def _command(arguments: list[str]) -> str:
    names = known()
    words = [word for word in arguments[:2] if not word.startswith("-")]
    return next((name for name in (" ".join(words), *words[:1]) if name in names), "")
