"""The names of the `bridge` commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from ops.cli import app


def known() -> set[str]:
    """`doctor`, `failed`, `failed list`, ..."""
    return set(_of(typer.main.get_command(app), ""))


def _of(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{path}{name}"
        if hasattr(command, "commands"):
            yield from _of(command, f"{path}{name} ")
