"""The numbers in End User Messaging: whether they are there and active, and whether their texts go to this stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.config import Number
from ops.doctor.findings import Check, Finding, about, fail, ok
from ops.doctor.preflight import Preflight
from ops.numbers.two_way import TwoWayChannel


def numbers(preflight: Preflight) -> Iterator[Finding]:
    config, stack, options = preflight.config, TwoWayChannel.at(preflight.outputs), preflight.target.options
    pools: dict[str, Mapping[str, Any]] = {}
    for number in config.numbers:
        described = described_as(number, preflight.phone_numbers)
        found = of_identity(number, described, options=options)
        if described and not found:
            if pool_id := described.get("PoolId"):
                if pool_id not in pools:
                    answer = preflight.ask("pinpoint-sms-voice-v2", "describe_pools", PoolIds=[pool_id])
                    (pools[pool_id],) = answer["Pools"]
                found = of_pool(pool_id, TwoWayChannel.of(pools[pool_id]), stack=stack)
            else:
                found = of_channel(number.number, TwoWayChannel.of(described), stack=stack, options=options)
            found = found or ok(well(described))
        yield from about(number.number, found)


def described_as(number: Number, described: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The number with this ARN, else the same number with another ARN."""
    by_arn = (one for one in described if one["PhoneNumberArn"] == number.arn)
    by_number = (one for one in described if one["PhoneNumber"] == number.number)
    return next(by_arn, None) or next(by_number, None)


def of_identity(number: Number, described: Mapping[str, Any] | None, *, options: str) -> Finding | None:
    if described is None:
        return fail("the account has no such number in this Region", "see which there are", f"bridge numbers{options}")
    if described["PhoneNumber"] != number.number:
        return fail(
            f"its ARN in bridge.toml is that of {described['PhoneNumber']}",
            "correct it; see which there are",
            f"bridge numbers{options}",
        )
    if described["PhoneNumberArn"] != number.arn:
        return fail("has another ARN than bridge.toml says", "write", f'arn = "{described["PhoneNumberArn"]}"')
    if described["Status"] != "ACTIVE":
        return fail(
            f"is {described['Status']}, not ACTIVE",
            "wait for its registration, or see what it lacks in the End User Messaging console",
        )
    if "SMS" not in described["NumberCapabilities"]:
        return fail("has no SMS", "another number, or have SMS enabled for it")
    return None


def of_channel(number: str, now: TwoWayChannel, *, stack: TwoWayChannel, options: str) -> Finding | None:
    """Where its texts go. An import into Connect may have changed that."""
    command = f"bridge numbers connect {number}{options}"
    if now == stack:
        return None
    if now.channel is None:
        return fail("two-way SMS is off: its texts go nowhere", "switch it on", command)
    if now.goes_to_connect:
        return fail("its texts go straight to Amazon Connect, past the bridge", "point it here", command)
    if now.channel != stack.channel:
        return fail(f"its texts go to {now.channel}", "point it here", command)
    if now.role is None:
        return fail("it publishes in no role, which the topic does not admit", "set it", command)
    return fail(f"it publishes in another role, {now.role}", "set this stack's", command)


def of_pool(pool_id: str, now: TwoWayChannel, *, stack: TwoWayChannel) -> Finding:
    """A number in a pool has the pool's two-way settings, which are changed there."""
    if now == stack:
        return ok(f"active, its texts come to this stack, as its pool {pool_id} says")
    return fail(
        f"it is in pool {pool_id}, whose two-way SMS is {now}",
        "take it out of the pool, or point the pool here",
        f"aws pinpoint-sms-voice-v2 update-pool --pool-id {pool_id} --two-way-enabled "
        f"--two-way-channel-arn {stack.channel} --two-way-channel-role {stack.role}",
    )


def well(described: Mapping[str, Any]) -> str:
    """Of a number without problems. AWS answers STOP and HELP itself unless the number manages opt-outs itself."""
    opt_outs = "; STOP and HELP come as texts" if described["SelfManagedOptOutsEnabled"] else ""
    return f"active, its texts come to this stack{opt_outs}"


CHECKS = (Check("number", numbers),)
