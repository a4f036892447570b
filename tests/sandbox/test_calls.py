"""The AWS calls of this run, compared with the lists of tests/permissions and with the deployed policies.

conftest.py makes these tests run after all others of the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from sandbox.lifecycle import Sandbox
from sandbox.simulator.protocols import rest_json
from tests.permissions.calls import COMMANDS, FUNCTIONS, NOTHING, UNSEEN, Call, of_function, place
from tests.permissions.deployment import Deployment
from tests.permissions.recording import Made
from tests.permissions.verdicts import Verdicts

_BY_TOKEN = "execute-api"
"""The service name in calls of the participant API. The token of the chat authorises them, not IAM."""
_NEEDS_NOTHING = ("GetCallerIdentity",)
"""What everybody may call, whatever their policies say."""
_NOWHERE = "GoneQueue"
"""A queue that does not exist. test_redrive.py makes intake send to it."""


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox) -> Deployment:
    """The deployed stack, with the ids of its resources."""
    aws = sandbox.client("cloudformation")
    listed = aws.get_paginator("list_stack_resources").paginate(StackName=sandbox.stack).build_full_result()
    physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed["StackResourceSummaries"]}
    template: Any = aws.get_template(StackName=sandbox.stack)["TemplateBody"]
    aws.close()
    return Deployment.of(template, load(Path(sandbox.config)), physical)


@pytest.fixture(scope="module")
def called(sandbox: Sandbox, deployed: Deployment) -> Mapping[str, set[Call]]:
    """Recorded calls by function."""
    names = {deployed.resources[logical_id].physical_id: name for name, logical_id in deployed.functions.items()}
    found: dict[str, set[Call]] = {name: set() for name in names.values()}
    for one in sandbox.calls():
        if one["service"] == _BY_TOKEN or _NOWHERE in one["on"].get("QueueUrl", ""):
            continue
        call = Call(one["service"], _operation(one), place(deployed, one["on"]))
        found[names[one["caller"]]].add(call)
    return found


@pytest.fixture(scope="module")
def called_by_operators(deployed: Deployment, called_by_commands: set[Made]) -> Mapping[str, set[Call]]:
    """Recorded calls by command, without the commands that only the sandbox has."""
    found: dict[str, set[Call]] = {}
    for one in called_by_commands:
        if one.caller.partition(" ")[0] not in ("sandbox", "demo") and one.operation not in _NEEDS_NOTHING:
            on = (
                NOTHING
                if one.caller == "doctor" and one.operation != "DescribeStacks" and one.service != "dynamodb"
                else place(deployed, dict(one.on))
            )
            found.setdefault(one.caller, set()).add(Call(one.service, one.operation, on))
    return found


def _operation(recorded: Mapping[str, Any]) -> str:
    """The name of an operation that was recorded by method and path."""
    method, _, path = recorded["operation"].partition(" ")
    hit = rest_json(recorded["service"]).find(method, path) if path else None
    return hit[0].name if hit else str(recorded["operation"])


def test_functions_call_nothing_that_is_not_listed(called: Mapping[str, set[Call]]) -> None:
    assert any(called.values())
    assert _more(called, FUNCTIONS) == {}


def test_nothing_is_listed_that_no_function_calls(
    called: Mapping[str, set[Call]], request: pytest.FixtureRequest
) -> None:
    if not _whole(request):
        pytest.skip("only a run of all tests of the sandbox sees every call")
    assert _more(FUNCTIONS, called) == {}


def test_commands_call_nothing_that_is_not_listed(called_by_operators: Mapping[str, set[Call]]) -> None:
    assert _more(called_by_operators, COMMANDS) == {}


def test_nothing_is_listed_that_no_command_calls(
    called_by_operators: Mapping[str, set[Call]], request: pytest.FixtureRequest
) -> None:
    if not _whole(request):
        pytest.skip("only a run of all tests of the sandbox sees every call")
    listed = {command: {*calls} - UNSEEN.keys() for command, calls in COMMANDS.items()}
    assert _more(listed, called_by_operators) == {}


def test_what_functions_called_is_allowed_by_what_was_deployed(
    deployed: Deployment, called: Mapping[str, set[Call]]
) -> None:
    made = [(name, call) for name, calls in called.items() for call in sorted(calls)]
    wrong = [*Verdicts.of(deployed, [case for one in made for case in of_function(deployed, *one)]).wrong()]
    assert made and not wrong, "\n".join(wrong)


def _more(some: Mapping[str, Iterable[Call]], others: Mapping[str, Iterable[Call]]) -> dict[str, set[Call]]:
    """The calls of the first that the second does not have."""
    found = {name: {*calls} - {*others.get(name, ())} for name, calls in some.items()}
    return {name: calls for name, calls in found.items() if calls}


def _whole(request: pytest.FixtureRequest) -> bool:
    """Whether this session runs all tests of the folder."""
    files = {item.path for item in request.session.items}
    chosen = request.config.option.keyword or request.config.option.markexpr
    return (
        {*Path(__file__).parent.glob("test_*.py")} <= files
        and not chosen
        and not any("::" in argument for argument in request.config.args)
    )
