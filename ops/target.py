"""Where a command acts: a sandbox on this machine, or a stack in AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from sandbox.local import Sandbox

StackOption = Annotated[
    str | None,
    typer.Option("--stack", help="A stack in AWS instead of the sandbox.", metavar="NAME"),
]
SandboxOption = Annotated[str, typer.Option("--sandbox", help="Which sandbox.", metavar="NAME")]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", help="AWS profile of the stack.", metavar="NAME", show_default="AWS_PROFILE or the default one"
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option("--region", help="Region of the stack.", metavar="REGION", show_default="the profile's"),
]


class TargetError(Exception):
    """There is nothing to act on; the message is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployed bridge. `sandbox` is None in AWS."""

    where: str
    outputs: Mapping[str, str]
    session: Any
    sandbox: Sandbox | None = None

    @classmethod
    def choose(
        cls, *, stack: str | None, sandbox: str = "default", profile: str | None = None, region: str | None = None
    ) -> Target:
        """What a command's options mean. Raises TargetError or SandboxError."""
        if stack:
            return cls.in_aws(stack, profile=profile, region=region)
        if profile or region:
            raise TargetError("--profile and --region go with --stack NAME; the sandbox has neither")
        return cls.in_sandbox(sandbox)

    @classmethod
    def in_sandbox(cls, name: str = "default") -> Target:
        local = Sandbox.attach(name)
        return cls(where=f"sandbox {name}", outputs=local.outputs, session=None, sandbox=local)

    @classmethod
    def in_aws(cls, stack: str, *, profile: str | None = None, region: str | None = None) -> Target:
        try:
            session = boto3.session.Session(profile_name=profile, region_name=region)
            stacks = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ProfileNotFound as exc:
            raise TargetError(f"{exc}; see: aws configure list-profiles") from exc
        except NoRegionError as exc:
            raise TargetError("no AWS Region; set AWS_DEFAULT_REGION, --region, or a profile that has one") from exc
        except (NoCredentialsError, PartialCredentialsError) as exc:
            raise TargetError(
                "no AWS credentials; set AWS_PROFILE or --profile, or sign in with: aws sso login"
            ) from exc
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code == "ValidationError":  # what DescribeStacks answers for a stack that it does not know
                raise TargetError(
                    f"there is no stack {stack} in {session.region_name}; its name is `stack` in bridge.toml"
                ) from exc
            raise TargetError(f"AWS does not describe stack {stack}: {code}") from exc
        except BotoCoreError as exc:
            raise TargetError(f"AWS cannot be reached: {exc}") from exc
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", ())}
        if "InboundTopicArn" not in outputs:
            raise TargetError(f"stack {stack} in {session.region_name} is not a bridge, or is not deployed to the end")
        return cls(where=f"stack {stack} in {session.region_name}", outputs=outputs, session=session)

    def client(self, service: str) -> Any:
        """A boto3 client there; make it before starting threads, use it in all of them."""
        return self.sandbox.client(service) if self.sandbox else self.session.client(service)


@contextmanager
def aws_errors(target: Target) -> Iterator[None]:
    """Errors of AWS as a TargetError of one line."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise TargetError(f"{target.where} does not answer {error.operation_name}: {code}") from error
    except BotoCoreError as error:
        raise TargetError(f"{target.where} cannot be reached: {error}") from error
