"""What must hold of every stack that is synthesised: cdk-nag's rules, and our own times."""

from __future__ import annotations

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def attach(app: App) -> None:
    """Let synth run cdk-nag's AwsSolutions rules on the app."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding of cdk-nag on one construct."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))
