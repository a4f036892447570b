"""Logical ids that must never change, and resources that are retained when the stack is deleted.

The ids are those of the first deployment, with the hashes that the CDK made from the construct paths of that time. A
construct may move to another path; its id stays. CloudFormation takes a resource with a new id for a new resource: it
creates that one and then deletes the old one. What that would do:

- subscription: both have the same ARN, so the deletion removes both; an e-mail subscription must be confirmed again;
- event source mapping, event invoke configuration: Lambda refuses a second one, and the deployment fails;
- function: the asynchronous events that Lambda holds for it are lost, and so is its log group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aws_cdk import CfnResource, RemovalPolicies
from constructs import Construct, IConstruct


def set_logical_id(construct: IConstruct, logical_id: str) -> None:
    """Give the resource of a construct a logical id that does not depend on the construct's path."""
    resource = construct if isinstance(construct, CfnResource) else cast(CfnResource, construct.node.default_child)
    resource.override_logical_id(logical_id)


def retain(construct: Construct, logical_id: str, *, protected: bool = False) -> None:
    """Set the logical id, and retain the resource and its policies when they are deleted or replaced.

    A rolled back creation deletes them (RetainExceptOnCreate), so that a first deployment can be repeated. Exception:
    what is `protected` against deletion is retained then too, since its deletion would make the rollback fail
    (docs/decisions/0013-tables-stay-after-a-rolled-back-creation.md).

    Source: "DeletionPolicy attribute" in the CloudFormation template reference.
    """
    set_logical_id(construct, logical_id)
    policies = RemovalPolicies.of(construct)
    policies.retain() if protected else policies.retain_on_update_or_delete()


FUNCTIONS: Mapping[str, Mapping[str, str]] = {
    "intake": {
        "function": "IntakeFunction1A6D016E",
        "role": "IntakeRole6965BA50",
        "log_group": "IntakeLogsB4E72C77",
        "subscription": "IntakeFunctionTopic999C9258",
        "permission": "IntakeFunctionAllowInvokeBridgeInboundTopic5A6281AA066B1935",
        "invoke_config": "IntakeFunctionEventInvokeConfigF0DC7E18",
    },
    "forward": {
        "function": "ForwardFunctionF0FC6E9C",
        "role": "ForwardRole81B4579C",
        "log_group": "ForwardLogs924091B9",
        "event_source": "ForwardBatches37E596A2",
    },
    "reply_intake": {
        "function": "ReplyIntakeFunctionF98FC5E9",
        "role": "ReplyIntakeRole8AD9B4F9",
        "log_group": "ReplyIntakeLogs0178124C",
        "subscription": "ReplyIntakeFunctionTopic0310E7A1",
        "permission": "ReplyIntakeFunctionAllowInvokeBridgeStreamingTopicF7DBF1C6F1C096E2",
        "invoke_config": "ReplyIntakeFunctionEventInvokeConfigC954330E",
    },
    "reply": {
        "function": "ReplyFunction9DFF6419",
        "role": "ReplyRoleB35D77FC",
        "log_group": "ReplyLogs6A520DFA",
        "event_source": "ReplyBatchesFAB2C737",
    },
}
"""By function name: the function and what belongs to it."""

ALARM_EMAIL = "AlarmTopicEmailBDA8C787"
"""The subscription of operation.alarm_email."""
