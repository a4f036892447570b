"""What a command acts on: a sandbox on this machine, or a stack in AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config as ClientConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from sandbox.lifecycle import Sandbox

StackOption = Annotated[
    str | None, typer.Option("--stack", help="A stack in AWS instead of the sandbox.", metavar="NAME")
]
SandboxOption = Annotated[str, typer.Option("--sandbox", help="Which sandbox.", metavar="NAME")]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", help="AWS profile of the stack.", metavar="NAME", show_default="AWS_PROFILE or the default one"
    ),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="Region of the stack.", metavar="REGION", show_default="the profile's")
]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Another bridge.toml.",
        metavar="PATH",
        show_default="bridge.toml; in a sandbox the one that it was deployed from",
    ),
]


_NO_SUCH_STACK = "ValidationError"
"""The error code of DescribeStacks for a stack that does not exist."""


class TargetError(Exception):
    """A command cannot act on its target. The message is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployed bridge.

    Parameters:
        where: its name in messages.
        outputs: of the stack; empty until it is described.
        session: a boto3 session; None for a sandbox.
        sandbox: None in AWS.
        options: the command line options with which another command acts on the same target.
    """

    where: str
    outputs: Mapping[str, str]
    session: Any
    sandbox: Sandbox | None = None
    stack: str = ""
    region: str | None = None
    options: str = ""

    @classmethod
    def choose(
        cls,
        *,
        stack: str | None,
        sandbox: str = "default",
        profile: str | None = None,
        region: str | None = None,
        deployed: bool = True,
    ) -> Target:
        """The target of a command's options; with `deployed` the stack must exist. Raises TargetError, SandboxError."""
        if stack:
            target = cls.in_aws(stack, profile=profile, region=region)
            return target.described() if deployed else target
        if profile or region:
            raise TargetError("--profile and --region go with --stack NAME; the sandbox has neither")
        return cls.in_sandbox(sandbox)

    @classmethod
    def in_sandbox(cls, name: str = "default") -> Target:
        local = Sandbox.attach(name)
        return cls(
            where=f"sandbox {name}",
            outputs=local.outputs,
            session=None,
            sandbox=local,
            stack=local.stack,
            region=local.region,
            options="" if name == "default" else f" --sandbox {name}",
        )

    @classmethod
    def in_aws(cls, stack: str, *, profile: str | None = None, region: str | None = None) -> Target:
        """A stack, without a call to AWS. Raises TargetError."""
        try:
            session = boto3.session.Session(profile_name=profile, region_name=region)
        except BotoCoreError as exc:
            raise TargetError(explain(exc, stack=stack, region=region)) from exc
        here = session.region_name
        where = f"stack {stack}" + (f" in {here}" if here else "")
        given = {"--stack": stack, "--profile": profile, "--region": region}
        options = "".join(f" {option} {value}" for option, value in given.items() if value)
        return cls(where=where, outputs={}, session=session, stack=stack, region=here, options=options)

    def described(self) -> Target:
        """With the stack's outputs. Raises TargetError."""
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except (ClientError, BotoCoreError) as exc:
            raise TargetError(explain(exc, stack=self.stack, region=self.region)) from exc
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", ())}
        if "InboundTopicArn" not in outputs:
            raise TargetError(f"{self.where} is not a bridge, or is not deployed to the end")
        return replace(self, outputs=outputs)

    def described_if_deployed(self) -> Target:
        """With the stack's outputs, if it is deployed. Raises TargetError."""
        if self.outputs:
            return self
        try:
            return self.described()
        except TargetError as exc:
            if isinstance(exc.__cause__, ClientError) and exc.__cause__.response["Error"]["Code"] == _NO_SUCH_STACK:
                return self
            raise

    @property
    def config(self) -> Path:
        """The bridge.toml of the sandbox, or the one in this folder."""
        path = Path(self.sandbox.config if self.sandbox else "bridge.toml")
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

    def client(self, service: str, config: ClientConfig | None = None) -> Any:
        """A boto3 client. Create it before threads are started; all of them can use it."""
        if self.sandbox:
            return self.sandbox.client(service, config)
        return self.session.client(service, config=config)


def explain(exc: ClientError | BotoCoreError, *, stack: str, region: str | None) -> str:
    """One line: why a stack cannot be described, and what to do."""
    if isinstance(exc, ProfileNotFound):
        return f"{exc}; see: aws configure list-profiles"
    if isinstance(exc, NoRegionError):
        return "no AWS Region; set AWS_DEFAULT_REGION, --region, or a profile that has one"
    if isinstance(exc, NoCredentialsError | PartialCredentialsError):
        return "no AWS credentials; set AWS_PROFILE or --profile, or sign in with: aws sso login"
    if isinstance(exc, BotoCoreError):
        return f"AWS cannot be reached: {exc}"
    code = exc.response["Error"]["Code"]
    if code == _NO_SUCH_STACK:
        return f"there is no stack {stack} in {region}; its name is `stack` in bridge.toml"
    return f"AWS does not describe stack {stack}: {code}"


@contextmanager
def aws_errors(target: Target) -> Iterator[None]:
    """Errors of the SDK as a TargetError."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise TargetError(f"{target.where} does not answer {error.operation_name}: {code}") from error
    except BotoCoreError as error:
        raise TargetError(f"{target.where} cannot be reached: {error}") from error
