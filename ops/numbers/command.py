"""`bridge numbers`: the account's numbers beside bridge.toml, and where their texts go."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from infra.config import BridgeConfig, ConfigError, load
from ops.console import Column, JsonOption, Output
from ops.numbers.two_way import Change, PhoneNumbers, TwoWayChannel
from ops.target import ConfigOption, ProfileOption, RegionOption, SandboxOption, StackOption, Target, TargetError

app = typer.Typer()

COLUMNS = [
    Column(name="number"),
    Column(name="status", styles={"ACTIVE": "green"}),
    Column(name="texts_go", fold=True, styles={"to this stack": "green"}),
    Column(name="bridge_toml", styles={"missing": "yellow"}),
]
NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="One of your numbers, its id or its ARN.")]


def rows(
    described: Sequence[Mapping[str, Any]], config: BridgeConfig, outputs: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """One row for each of the account's numbers, and for those that only bridge.toml has."""
    configured = {number.number: number for number in config.numbers}
    for one in described:
        number = configured.pop(one["PhoneNumber"], None)
        state = "missing" if can_be_added(one) else "not possible"
        if number:
            state = config.delivery_of(number) if number.arn == one["PhoneNumberArn"] else "with another ARN"
        yield {
            "number": one["PhoneNumber"],
            "arn": one["PhoneNumberArn"],
            "status": one["Status"],
            "texts_go": _texts_go(one, outputs),
            "bridge_toml": state,
            "pool": one.get("PoolId"),
            "can_be_added": state == "missing",
        }
    for number in configured.values():
        yield {
            "number": number.number,
            "arn": number.arn,
            "status": "not there",
            "texts_go": "",
            "bridge_toml": config.delivery_of(number),
            "pool": None,
            "can_be_added": False,
        }


def can_be_added(described: Mapping[str, Any]) -> bool:
    """Whether bridge.toml accepts it: a short code is no E.164 number, and a number without SMS gets no texts."""
    sms = "SMS" in described["NumberCapabilities"]
    return sms and described["PhoneNumber"].startswith("+") and described["Status"] != "DELETED"


def block(row: Mapping[str, Any]) -> str:
    """The lines to paste into bridge.toml."""
    return f"[[numbers]]\nnumber = {json.dumps(row['number'])}\narn = {json.dumps(row['arn'])}\n"


def _texts_go(described: Mapping[str, Any], outputs: Mapping[str, str]) -> str:
    if described.get("PoolId"):
        return f"as pool {described['PoolId']} says"
    now = TwoWayChannel.of(described)
    if now.channel is None:
        return "nowhere"
    if outputs and now == TwoWayChannel.at(outputs):
        return "to this stack"
    if outputs and now.channel == outputs["InboundTopicArn"]:
        return "to this stack, in another role"
    return "to Amazon Connect" if now.goes_to_connect else f"to topic {now.channel.rpartition(':')[2]}"


@app.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Your numbers: what bridge.toml says of each, where their texts go, and the block to paste for those it lacks.

    The stack need not be deployed yet.
    """
    if context.invoked_subcommand:
        if any((stack, profile, region, sandbox != "default", config, as_json)):
            raise typer.BadParameter(f"put options behind: bridge numbers {context.invoked_subcommand}")
        return
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region, deployed=False)
    path = config or target.config
    try:
        settings = load(path)
    except ConfigError as exc:
        count = len(exc.mistakes)
        raise TargetError(str(exc) if count == 1 else f"{path} has {count} mistakes; bridge doctor tells them") from exc
    target = target.described_if_deployed()
    output = Output(as_json=as_json)
    found = list(rows(PhoneNumbers(target).all(), settings, target.outputs))
    output.rows(COLUMNS, found)
    if lacking := [row for row in found if row["can_be_added"]]:
        output.say(f"\nadd to {path}:\n")
        for row in lacking:
            output.say(block(row))


@app.command("connect")
def connect(
    number: NumberArgument,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Let a number's texts go to the stack's topic, in its role. Tags of the number record the channel before."""
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    change = PhoneNumbers(target).connect(number)
    _print(change, Output(as_json=as_json), undo=f"bridge numbers disconnect {change.number}{target.options}")


@app.command("disconnect")
def disconnect(
    number: NumberArgument,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Let a number's texts go where they went before `connect`."""
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    change = PhoneNumbers(target).disconnect(number)
    _print(change, Output(as_json=as_json), undo=f"bridge numbers connect {change.number}{target.options}")


def _print(change: Change, output: Output, *, undo: str) -> None:
    """Print what was done, and the command that undoes it."""
    changed = change.before != change.now
    if output.as_json:
        output.json(asdict(change) | {"changed": changed})
        return
    if not changed:
        output.say(f"{change.number}: nothing to do")
        output.say(f"  two-way SMS  {change.now}")
        return
    output.say(f"{change.number}: its texts go elsewhere from now on")
    output.say(f"  two-way SMS  {change.now}")
    output.say(f"  before       {change.before}")
    output.say(f"  undo it      {undo}")
    if change.interrupted:
        output.say("two-way SMS was off for a moment in between: a text of that moment is lost")
