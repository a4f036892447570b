"""What keeps its identity through every change of the code, and what outlives the stack as well.

Logical ids stand here as they were first deployed, with the hashes that the CDK made of construct paths at the time: a
construct may move, its id may not. CloudFormation takes a resource whose id changes for a new one, creates that and
then deletes the old one:

- a subscription: both have the same ARN, so that none is left; by e-mail, somebody has to confirm it anew;
- an event source mapping or an event invoke configuration: the second one is refused, and so is the deployment;
- a function: what Lambda holds for its asynchronous calls is gone with it, and its log group is, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aws_cdk import CfnResource, RemovalPolicies
from constructs import Construct, IConstruct


def fix(construct: IConstruct, logical_id: str) -> None:
    """Give a construct's resource a logical id that no refactoring changes."""
    resource = construct if isinstance(construct, CfnResource) else cast(CfnResource, construct.node.default_child)
    resource.override_logical_id(logical_id)


def pin(construct: Construct, logical_id: str, *, protected: bool = False) -> None:
    """Fix its logical id, and keep it and all that hangs on it when it is deleted or replaced.

    A creation that is rolled back deletes it again (RetainExceptOnCreate), so that a first deployment can be repeated.
    Not what is `protected` against deletion: CloudFormation could not delete it, and the rollback would fail
    (docs/decisions/0013-tables-stay-after-a-rolled-back-creation.md).

    Source: "DeletionPolicy attribute" in the CloudFormation template reference.
    """
    fix(construct, logical_id)
    policies = RemovalPolicies.of(construct)
    policies.retain() if protected else policies.retain_on_update_or_delete()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionIds:
    """Logical ids of a function and of what stands and falls with it."""

    function: str
    role: str
    log_group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeIds:
    """Logical ids of what hands a topic's notifications to a function."""

    subscription: str
    permission: str
    invoke_config: str


FUNCTIONS: Mapping[str, FunctionIds] = {
    "intake": FunctionIds(function="IntakeFunction1A6D016E", role="IntakeRole6965BA50", log_group="IntakeLogsB4E72C77"),
    "forward": FunctionIds(
        function="ForwardFunctionF0FC6E9C", role="ForwardRole81B4579C", log_group="ForwardLogs924091B9"
    ),
    "reply_intake": FunctionIds(
        function="ReplyIntakeFunctionF98FC5E9", role="ReplyIntakeRole8AD9B4F9", log_group="ReplyIntakeLogs0178124C"
    ),
    "reply": FunctionIds(function="ReplyFunction9DFF6419", role="ReplyRoleB35D77FC", log_group="ReplyLogs6A520DFA"),
}
"""By the function's name."""

INTAKES: Mapping[str, IntakeIds] = {
    "intake": IntakeIds(
        subscription="IntakeFunctionTopic999C9258",
        permission="IntakeFunctionAllowInvokeBridgeInboundTopic5A6281AA066B1935",
        invoke_config="IntakeFunctionEventInvokeConfigF0DC7E18",
    ),
    "reply_intake": IntakeIds(
        subscription="ReplyIntakeFunctionTopic0310E7A1",
        permission="ReplyIntakeFunctionAllowInvokeBridgeStreamingTopicF7DBF1C6F1C096E2",
        invoke_config="ReplyIntakeFunctionEventInvokeConfigC954330E",
    ),
}
"""By the function's name."""

BATCHES: Mapping[str, str] = {"forward": "ForwardBatches37E596A2", "reply": "ReplyBatchesFAB2C737"}
"""Event source mappings, by the function's name."""

ALARM_EMAIL = "AlarmTopicEmailBDA8C787"
"""The subscription of operation.alarm_email."""
