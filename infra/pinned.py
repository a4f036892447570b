"""What outlives the stack, and keeps its identity through every change of the code."""

from __future__ import annotations

from typing import cast

from aws_cdk import CfnResource, RemovalPolicies
from constructs import Construct


def pin(construct: Construct, logical_id: str) -> None:
    """Give it a logical id that no refactoring changes, and keep it and all that hangs on it when deleted.

    CloudFormation replaces what changes its logical id: a phone number would go on pointing at the old topic.
    """
    cast(CfnResource, construct.node.default_child).override_logical_id(logical_id)
    RemovalPolicies.of(construct).retain()
