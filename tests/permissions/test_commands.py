"""The calls of the commands against the permissions in docs/commands.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.permissions.calls import COMMANDS, of_command
from tests.permissions.deployment import ACCOUNT, PARTITION, REGION, Deployment
from tests.permissions.documented import PageError, Permission, permissions
from tests.permissions.verdicts import Verdicts

LOGICAL_IDS = {
    "the key": "BridgeKey",
    "the topic": "InboundTopic",
    "conversations": "ConversationsQueue",
    "replies": "RepliesQueue",
    "failed": "FailedQueue",
    "undelivered": "UndeliveredQueue",
    "the ledger": "Ledger",
    "the chats": "Chats",
    "the role that the number gets": "TwoWayChannelRole",
}
FUNCTIONS = {"intake": "intake", "forward": "forward", "reply-intake": "reply_intake"}


@pytest.fixture(scope="session")
def judged_commands(deployments: Mapping[str, Deployment]) -> Verdicts:
    """Each command, run with the permissions that the page lists for it and no others."""
    deployment = deployments["both"]
    policies = {f"bridge {command}": policy(deployment, granted) for command, granted in permissions().items()}
    cases = [case for command in COMMANDS for case in of_command(deployment, command, f"bridge {command}")]
    return Verdicts.of(deployment, cases, policies)


def policy(deployment: Deployment, granted: tuple[Permission, ...]) -> dict[str, Any]:
    statements = [
        {"Effect": "Allow", "Action": one.action, "Resource": resource}
        for one in granted
        for resource in resources(deployment, one.on)
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def resources(deployment: Deployment, on: str) -> Iterator[str]:
    """The ARNs of a resource in the words of the page."""
    if on == "everything":
        yield "*"
    elif on == "the number":
        yield from (number.arn for number in deployment.config.numbers)
    elif on == "the stack":
        yield f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT}:stack/{deployment.stack}/*"
    elif on == "the ledger's indexes":
        yield f"{deployment.arn('Ledger')}/index/*"
    elif on in FUNCTIONS:
        yield deployment.arn(deployment.functions[FUNCTIONS[on]])
    else:
        yield deployment.arn(LOGICAL_IDS[on])


def test_the_page_has_every_command_that_calls_aws() -> None:
    assert permissions().keys() == COMMANDS.keys()


def test_a_command_may_make_its_calls_with_what_the_page_lists(judged_commands: Verdicts) -> None:
    wrong = [*judged_commands.wrong()]
    assert not wrong, "\n".join(wrong)


def test_the_page_lists_nothing_that_a_command_does_not_call(judged_commands: Verdicts) -> None:
    unused = sorted(judged_commands.unused())
    assert not unused, "\n".join(map(str, unused))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("| `trace` | anything | more |", "two columns"),
        ("| `nonsense` | `sqs:SendMessage` on failed |", "nonsense is no command"),
        ("| `trace` | `sqs:SendMessage` on failed |\n| `trace` | as `trace` |", "trace is no command, or has two rows"),
        ("| `trace` | the same as before |", "not understood: the same as before"),
        ("| `trace` | `sqs:SendMessage` |", "not understood: `sqs:SendMessage`"),
    ],
)
def test_a_table_in_another_format_is_an_error(row: str, said: str) -> None:
    with pytest.raises(PageError, match=said):
        permissions(f"| command | permissions |\n|---|---|\n{row}\n\n")


def test_a_table_is_read_with_services_places_and_options() -> None:
    rows = (
        "| each of these | `cloudformation:DescribeStacks` on the stack |",
        "| `trace`, `replay` | `sqs:SendMessage`, `DeleteMessage` on failed and undelivered (`--from`) |",
        "| `failed list` | as `trace`; `kms:Decrypt` on the key |",
    )
    read = permissions("\n".join(["| command | permissions |", "|---|---|", *rows, "", "More."]))
    stack = Permission("cloudformation:DescribeStacks", "the stack")
    queues = [
        Permission(f"sqs:{action}", on)
        for action in ("SendMessage", "DeleteMessage")
        for on in ("failed", "undelivered")
    ]
    assert read == {
        "trace": (stack, *queues),
        "replay": (stack, *queues),
        "failed list": (stack, *queues, Permission("kms:Decrypt", "the key")),
    }
