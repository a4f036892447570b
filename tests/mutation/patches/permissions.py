"""What the evaluation of permissions must notice: too little, too much, and conditions that are wrong."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import IN_ORDER

_STACK, _KEY, _STREAMING = "infra/stack.py", "infra/key.py", "infra/streaming.py"
_POLICIES = "tests/permissions/test_policies.py"
_ALLOWED = f"{_POLICIES}::test_every_call_and_hop_is_allowed_by_one_statement"
_USED = f"{_POLICIES}::test_no_statement_is_there_that_nothing_uses"
_REFUSING = f"{_POLICIES}::test_no_condition_is_there_that_refuses_nothing"
_WITH_REPLIES = ("start-chat", "both")


def _permission(name: str, says: str, edit: Edit, *tests: str) -> Mutation:
    return Mutation(name=f"permissions/{name}", edits=(edit,), tests=tests, control=IN_ORDER, says=says)


MUTATIONS: tuple[Mutation, ...] = (
    _permission(
        "one-missing",
        "forward: dynamodb:GetItem on .*: not allowed",
        Edit(_STACK, 'forward.may("dynamodb:GetItem", "dynamodb:UpdateItem"', 'forward.may("dynamodb:UpdateItem"'),
        _ALLOWED,
    ),
    _permission(
        "one-too-many",
        "action='sqs:DeleteMessage'",
        Edit(
            _STACK,
            'forward.may("sqs:SendMessage", on=failed',
            'forward.may("sqs:SendMessage", "sqs:DeleteMessage", on=failed',
        ),
        _USED,
    ),
    _permission(
        "one-twice",
        "forward: sqs:SendMessage on .*: allowed by 2 statements",
        Edit(
            _STACK,
            "        ways = [Way(",
            '        forward.may_anywhere("sqs:SendMessage", reason="nobody knows")\n        ways = [Way(',
        ),
        _ALLOWED,
    ),
    _permission(
        "key-not-for-sns",
        "sns.amazonaws.com: sqs:SendMessage on .*, kms:GenerateDataKey: not allowed",
        Edit(_STACK, 'key.admit_sns(to="Undelivered")', "pass"),
        _ALLOWED,
    ),
    _permission(
        "key-by-another-way",
        "sqs:SendMessage on .*, kms:Decrypt: not allowed",
        Edit(_KEY, '_through("sqs")', '_through("sns")'),
        _ALLOWED,
    ),
    _permission(
        "connect-of-any-instance",
        "aws:SourceArn .*: allowed, though it must not be",
        Edit(_STREAMING, '                    "ArnEquals": {"aws:SourceArn": list(instances)},\n', ""),
        *(f"{_ALLOWED}[{name}]" for name in _WITH_REPLIES),
    ),
    _permission(
        "connect-by-what-it-does-not-say",
        "connect.amazonaws.com: .*kms:GenerateDataKey: not allowed",
        Edit(_KEY, '"kms:EncryptionContext:aws:sns:topicArn": topic', '"aws:SourceArn": topic'),
        *(f"{_ALLOWED}[{name}]" for name in _WITH_REPLIES),
    ),
    _permission(
        "condition-that-nobody-tried",
        "kms:calleraccount",
        Edit(
            _KEY,
            '    return {"StringEquals": {"kms:ViaService"',
            '    return {"StringEquals": {"kms:CallerAccount": Aws.ACCOUNT_ID, "kms:ViaService"',
        ),
        _REFUSING,
    ),
)
