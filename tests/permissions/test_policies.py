"""The synthesised policies allow each call of a function and each hop between services, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.permissions.conftest import CONFIGURATIONS
from tests.permissions.simulator import Grant
from tests.permissions.verdicts import Verdicts

REASONS: Mapping[tuple[str, str], str] = {
    ("kms:DescribeKey", "LogsToLogGroups"): (
        "AWS's own statement for CloudWatch Logs has it. KMS takes no encryption context for it, so that the condition "
        "never holds; whether Logs asks at all, nothing says."
    ),
    ("connect:StartChatContact", r"arn:aws:connect:.*:instance/[^/]+"): (
        "The service reference has the contact flow only; AWS's samples for starting chats name the instance beside "
        "it. Which of the two Connect really looks at can be seen on an account alone."
    ),
}
"""Permissions that no call is known to need: action, and the statement's Sid or a pattern of its resource."""


def reason(verdicts: Verdicts, grant: Grant) -> tuple[str, str] | None:
    """The key of the grant in REASONS."""
    sid = verdicts.sid(grant.policy, grant.statement)
    return next(
        (key for key in REASONS if key[0] == grant.action and (key[1] == sid or re.fullmatch(key[1], grant.resource))),
        None,
    )


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_call_and_hop_is_allowed_by_one_statement(judged: Mapping[str, Verdicts], configuration: str) -> None:
    wrong = [*judged[configuration].wrong()]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_statement_is_used(judged: Mapping[str, Verdicts], configuration: str) -> None:
    verdicts = judged[configuration]
    unused = sorted(grant for grant in verdicts.unused() if not reason(verdicts, grant))
    assert not unused, "\n".join(map(str, unused))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_condition_refuses_something(judged: Mapping[str, Verdicts], configuration: str) -> None:
    unguarded = sorted(judged[configuration].unguarded())
    assert not unguarded, "\n".join(map(str, unguarded))


def test_every_reason_belongs_to_an_unused_statement(judged: Mapping[str, Verdicts]) -> None:
    needed = {reason(verdicts, grant) for verdicts in judged.values() for grant in verdicts.unused()}
    assert needed >= REASONS.keys()
