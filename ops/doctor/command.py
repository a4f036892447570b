"""`bridge doctor`: the checks in the order in which one would mend what they find."""

from __future__ import annotations

from collections import Counter

import typer

from ops.doctor import numbers, policies, stack
from ops.doctor.findings import Check, State, examine
from ops.doctor.preflight import Preflight
from ops.output import JsonOption, Output
from ops.target import ConfigOption, ProfileOption, RegionOption, SandboxOption, StackOption, Target

CHECKS: tuple[Check, ...] = (*stack.CHECKS, *numbers.CHECKS, *policies.CHECKS)
STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.CANNOT_TELL: "cyan"}


def command(
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what would keep texts from their chats: one line a check, and what to do.

    Changes nothing. Exit code 1 when a check failed.
    """
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region, deployed=False)
    preflight = Preflight(target=target, config_path=config or target.config)
    output, left_out = Output(as_json=as_json), list[str]()
    counts: Counter[State] = Counter()
    for finding in examine(CHECKS, preflight, left_out):
        counts[finding.state] += 1
        about = f" {finding.about}" if finding.about else ""
        output.entry(
            finding.row(),
            mark=finding.state,
            style=STYLES[finding.state],
            text=f"{finding.check}{about}: {finding.finding}",
            below=finding.remedy,
            command=finding.command,
        )
    if left_out:
        output.say(f"left out until the above is mended: {', '.join(left_out)}")
    output.say(", ".join(f"{counts[state]} {state}" for state in State if counts[state]))
    if counts[State.FAIL]:
        raise typer.Exit(1)
