"""What the evaluation of permissions must notice: too little, too much, and conditions that are wrong."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import IN_ORDER

_PIPELINE, _STACK, _KEY, _START_CHAT = (
    "infra/pipeline.py",
    "infra/stack.py",
    "infra/encryption.py",
    "infra/start_chat.py",
)
_POLICIES = "tests/permissions/test_policies.py"
_ALLOWED = f"{_POLICIES}::test_every_call_and_hop_is_allowed_by_one_statement"
_USED = f"{_POLICIES}::test_every_statement_is_used"
_REFUSING = f"{_POLICIES}::test_every_condition_refuses_something"
_WITH_REPLIES = ("start-chat", "both")


def _permission(name: str, says: str, edit: Edit, *tests: str) -> Mutation:
    return Mutation(name=f"permissions/{name}", edits=(edit,), tests=tests, control=IN_ORDER, says=says)


MUTATIONS: tuple[Mutation, ...] = (
    _permission(
        "one-missing",
        "forward: dynamodb:GetItem on .*: not allowed",
        Edit(
            _PIPELINE,
            'self.worker.allow("dynamodb:GetItem", "dynamodb:UpdateItem"',
            'self.worker.allow("dynamodb:UpdateItem"',
        ),
        _ALLOWED,
    ),
    _permission(
        "one-too-many",
        "action='sqs:DeleteMessage'",
        Edit(
            _PIPELINE,
            'self.worker.allow("sqs:SendMessage", on',
            'self.worker.allow("sqs:SendMessage", "sqs:DeleteMessage", on',
        ),
        _USED,
    ),
    _permission(
        "one-twice",
        "forward: sqs:SendMessage on .*: allowed by 2 statements",
        Edit(
            _STACK,
            "        pipelines, start_chat = ",
            '        texts.worker.allow_without_resource("sqs:SendMessage", reason="nobody knows")\n'
            "        pipelines, start_chat = ",
        ),
        _ALLOWED,
    ),
    _permission(
        "key-not-for-sns",
        "sns.amazonaws.com: sqs:SendMessage on .*, kms:GenerateDataKey: not allowed",
        Edit(_STACK, 'key.grant_sns(to="Undelivered")', "pass"),
        _ALLOWED,
    ),
    _permission(
        "key-by-another-way",
        "sqs:SendMessage on .*, kms:Decrypt: not allowed",
        Edit(_KEY, '_via("sqs")', '_via("sns")'),
        _ALLOWED,
    ),
    _permission(
        "connect-of-any-instance",
        "aws:SourceArn .*: allowed, though it must not be",
        Edit(_START_CHAT, '{"ArnEquals": {"aws:SourceArn": list(config.instances())}}', "dict[str, list[str]]()"),
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
