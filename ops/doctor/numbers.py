"""The numbers in End User Messaging: whether they are there and active, and whether their texts go to this stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.config import Number
from ops.doctor.findings import Check, Finding, fail, ok
from ops.doctor.preflight import Preflight
from ops.numbers.two_way import TwoWayChannel


def numbers(preflight: Preflight) -> Iterator[Finding]:
    config, stack, options = preflight.config, TwoWayChannel.at(preflight.outputs), preflight.target.options
    pools: dict[str, Mapping[str, Any]] = {}
    for number in config.numbers:
        described = described_as(number, preflight.phone_numbers)
        elsewhere = of_identity(number, described, options=options)
        if elsewhere or described is None:
            yield elsewhere or fail("is not there", "look at bridge.toml", about=number.number)
            continue
        pool_id = described.get("PoolId")
        if pool_id and pool_id not in pools:
            (pools[pool_id],) = preflight.ask("pinpoint-sms-voice-v2", "describe_pools", PoolIds=[pool_id])["Pools"]
        if pool_id:
            yield of_pool(number.number, pool_id, TwoWayChannel.of(pools[pool_id]), stack=stack)
        else:
            yield of_channel(number.number, TwoWayChannel.of(described), stack=stack, options=options) or ok(
                well(described), about=number.number
            )


def described_as(number: Number, described: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The number with this ARN, else the same number with another ARN."""
    by_arn = (one for one in described if one["PhoneNumberArn"] == number.arn)
    by_number = (one for one in described if one["PhoneNumber"] == number.number)
    return next(by_arn, None) or next(by_number, None)


def of_identity(number: Number, described: Mapping[str, Any] | None, *, options: str) -> Finding | None:
    about = number.number
    if described is None:
        return fail(
            "the account has no such number in this Region",
            "see which there are",
            f"bridge numbers{options}",
            about=about,
        )
    if described["PhoneNumber"] != number.number:
        return fail(
            f"its ARN in bridge.toml is that of {described['PhoneNumber']}",
            "correct it; see which there are",
            f"bridge numbers{options}",
            about=about,
        )
    if described["PhoneNumberArn"] != number.arn:
        return fail(
            "has another ARN than bridge.toml says", "write", f'arn = "{described["PhoneNumberArn"]}"', about=about
        )
    if described["Status"] != "ACTIVE":
        return fail(
            f"is {described['Status']}, not ACTIVE",
            "wait for its registration, or see what it lacks in the End User Messaging console",
            about=about,
        )
    if "SMS" not in described["NumberCapabilities"]:
        return fail("has no SMS", "another number, or have SMS enabled for it", about=about)
    return None


def of_channel(about: str, now: TwoWayChannel, *, stack: TwoWayChannel, options: str) -> Finding | None:
    """Where its texts go. An import into Connect may have changed that."""
    command = f"bridge numbers connect {about}{options}"
    if now == stack:
        return None
    if now.channel is None:
        return fail("two-way SMS is off: its texts go nowhere", "switch it on", command, about=about)
    if now.goes_to_connect:
        return fail("its texts go straight to Amazon Connect, past the bridge", "point it here", command, about=about)
    if now.channel != stack.channel:
        return fail(f"its texts go to {now.channel}", "point it here", command, about=about)
    if now.role is None:
        return fail("it publishes in no role, which the topic does not admit", "set it", command, about=about)
    return fail(f"it publishes in another role, {now.role}", "set this stack's", command, about=about)


def of_pool(about: str, pool_id: str, now: TwoWayChannel, *, stack: TwoWayChannel) -> Finding:
    """A number in a pool has the pool's two-way settings, which are changed there."""
    if now == stack:
        return ok(f"active, its texts come to this stack, as its pool {pool_id} says", about=about)
    return fail(
        f"it is in pool {pool_id}, whose two-way SMS is {now}",
        "take it out of the pool, or point the pool here",
        f"aws pinpoint-sms-voice-v2 update-pool --pool-id {pool_id} --two-way-enabled "
        f"--two-way-channel-arn {stack.channel} --two-way-channel-role {stack.role}",
        about=about,
    )


def well(described: Mapping[str, Any]) -> str:
    """Of a number without problems. AWS answers STOP and HELP itself unless the number manages opt-outs itself."""
    opt_outs = "; STOP and HELP come as texts" if described["SelfManagedOptOutsEnabled"] else ""
    return f"active, its texts come to this stack{opt_outs}"


CHECKS = (Check("number", numbers),)
