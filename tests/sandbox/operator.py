"""An operator who runs `bridge doctor` in the sandbox, and the defects that its tests make."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import Phones

Row = dict[str, str]
INSTANCE = "12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
"""The flow of bridge.toml."""
LEFT = "87654321-4321-4321-4321-210987654321"
"""An instance that is not in bridge.toml."""


@dataclass
class Operator:
    """The sandbox and its operator."""

    sandbox: Sandbox
    phones: Phones
    capsys: pytest.CaptureFixture[str]

    def doctor(self, *options: str) -> list[Row]:
        self.capsys.readouterr()
        code = run(["doctor", "--sandbox", self.sandbox.name, "--json", *options])
        rows = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        assert code == (1 if any(row["state"] == "fail" for row in rows) else 0)
        return rows

    def aws(self, service: str) -> Any:
        return self.sandbox.client(service)

    def physical(self, name: str) -> str:
        """The physical id of a resource, by its logical id without the hash that the CDK appends."""
        (found,) = (its for logical, its in self.resources.items() if re.fullmatch(f"{name}([0-9A-F]{{8}})?", logical))
        return found

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical id."""
        pages = self.aws("cloudformation").list_stack_resources(StackName=self.sandbox.stack)
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in pages["StackResourceSummaries"]}


@dataclass(frozen=True)
class Defect:
    """make: causes it, as a context. says: what doctor finds, by check and state. remedy: a part of its advice."""

    make: Callable[[Operator], AbstractContextManager[None]]
    says: dict[tuple[str, str], str]
    remedy: str


ALWAYS = {
    ("alarms", "warn"): "nobody is told of them",
    ("active chats", "cannot tell"): "CloudWatch has no count of the last hour",
}
"""What is not ok in a new sandbox: finding by check and state."""


def problems(rows: list[Row]) -> dict[tuple[str, str], str]:
    """What is not ok, except what is never ok in a sandbox."""
    return {
        (row["check"], row["state"]): row["finding"]
        for row in rows
        if row["state"] != "ok" and (row["check"], row["state"]) not in ALWAYS
    }
