"""The two-way channel of a number, which says where its texts go: set to a stack's topic, and back to the earlier one.

The earlier channel is stored in tags of the number. So it is there for every user, on every machine, without the stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from ops.target import Target, TargetError, aws_errors

TAG = "sms-to-connect:two-way-before"
"""The tag's key. A value that is too long continues in TAG-2, and so on."""
LONGEST_VALUE = 256
"""Characters of a tag's value."""
_CLIENT_CONFIG = ClientConfig(retries={"mode": "standard", "total_max_attempts": 8})
"""For many retries: End User Messaging answers each of these calls once a second."""
_CHECKS = 4
"""How often a change is checked before it counts as not made."""


@dataclass(frozen=True, slots=True)
class TwoWayChannel:
    """`channel` is a topic's ARN, or connect.REGION.amazonaws.com; None if two-way SMS is off."""

    channel: str | None = None
    role: str | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> TwoWayChannel:
        """Of a number or a pool, as End User Messaging describes it."""
        if not described.get("TwoWayEnabled"):
            return cls()
        return cls(described.get("TwoWayChannelArn"), described.get("TwoWayChannelRole"))

    @classmethod
    def at(cls, outputs: Mapping[str, str]) -> TwoWayChannel:
        """The channel of a stack's numbers."""
        return cls(outputs["InboundTopicArn"], outputs["TwoWayChannelRoleArn"])

    @property
    def goes_to_connect(self) -> bool:
        """Directly to Amazon Connect, as an import there may set it."""
        return (self.channel or "").startswith("connect.")

    def __str__(self) -> str:
        if self.channel is None:
            return "off"
        to = "Amazon Connect" if self.goes_to_connect else self.channel
        return f"{to}, in role {self.role}" if self.role else to


def to_tags(before: TwoWayChannel) -> dict[str, str]:
    """The tags that store a channel. Characters that AWS refuses in tags, and `=`, are written as =XX."""
    text = " ".join(part for part in (before.channel, before.role) if part) or "off"
    value = quote(text, safe=":/+@._-").replace("~", "%7E").replace("%", "=")  # quote does not quote ~
    parts = (value[start : start + LONGEST_VALUE] for start in range(0, len(value), LONGEST_VALUE))
    return {_key(n): part for n, part in enumerate(parts, start=1)}


def from_tags(found: Mapping[str, str]) -> TwoWayChannel | None:
    """The channel that `to_tags` stored; None if there is none."""
    parts, n = [], 1
    while part := found.get(_key(n)):
        parts.append(part)
        n += 1
    if not parts:
        return None
    text = unquote("".join(parts).replace("=", "%"))
    return TwoWayChannel() if text == "off" else TwoWayChannel(*text.split(" "))


def _key(n: int) -> str:
    return TAG if n == 1 else f"{TAG}-{n}"


def _is_interrupted(now: TwoWayChannel, before: TwoWayChannel, stack: TwoWayChannel) -> bool:
    """Whether an interrupted disconnect left `now`: off, or the earlier channel in the stack's role."""
    return now != before and now in (TwoWayChannel(), TwoWayChannel(before.channel, stack.role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to a number: `before` and `now` are equal if there was nothing to do.

    `interrupted`: whether two-way SMS was off for a moment in between.
    """

    number: str
    before: TwoWayChannel
    now: TwoWayChannel
    interrupted: bool = False


class PhoneNumbers:
    """Lists and changes the account's numbers. Every method raises TargetError."""

    def __init__(self, target: Target, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._target, self._pause = target, pause
        self._eum = target.client("pinpoint-sms-voice-v2", _CLIENT_CONFIG)

    def all(self) -> list[Mapping[str, Any]]:
        """As End User Messaging describes them."""
        with aws_errors(self._target):
            pages = self._eum.get_paginator("describe_phone_numbers").paginate()
            return [number for page in pages for number in page["PhoneNumbers"]]

    def connect(self, number: str) -> Change:
        """Set the stack's channel. The earlier one is stored first, so that no interruption loses it."""
        found, stack = self._changeable(number), TwoWayChannel.at(self._target.outputs)
        now = TwoWayChannel.of(found)
        if now == stack:
            return Change(number=found["PhoneNumber"], before=now, now=now)
        with aws_errors(self._target):
            if now.channel != stack.channel:  # else only the role differs
                self._store(found["PhoneNumberArn"], now, stack)
            self._update(found, stack)
        return Change(number=found["PhoneNumber"], before=now, now=self._confirmed(found, stack))

    def disconnect(self, number: str) -> Change:
        """Set the channel that it had before `connect`, also if an earlier disconnect was interrupted.

        A number with another channel than the stack's is left unchanged.
        """
        found, stack = self._changeable(number), TwoWayChannel.at(self._target.outputs)
        now, arn = TwoWayChannel.of(found), found["PhoneNumberArn"]
        with aws_errors(self._target):
            stored = self._tags(arn)
            before = from_tags(stored)
            if now.channel != stack.channel and not (before and _is_interrupted(now, before, stack)):
                if now == before:
                    self._untag(arn, stored)
                return Change(number=found["PhoneNumber"], before=now, now=now)
            if before is None:
                raise TargetError(
                    f"no tag of {found['PhoneNumber']} records its channel before; to switch two-way SMS off: "
                    f"aws pinpoint-sms-voice-v2 update-phone-number --phone-number-id {found['PhoneNumberId']} "
                    "--no-two-way-enabled"
                )
            self._update(found, before)
            interrupted = before.channel is not None and before.role is None and self._describe(found).role is not None
            if interrupted:  # a request without a role keeps the old one until two-way SMS is off
                self._update(found, TwoWayChannel())
                self._update(found, before)
            is_now = self._confirmed(found, before)
            self._untag(arn, stored)
        return Change(number=found["PhoneNumber"], before=now, now=is_now, interrupted=interrupted)

    def _changeable(self, number: str) -> Mapping[str, Any]:
        """The number with this E.164 spelling, id or ARN, if End User Messaging allows a change of it."""
        found = next(
            (
                one
                for one in self.all()
                if number in (one["PhoneNumber"], one.get("PhoneNumberId"), one["PhoneNumberArn"])
            ),
            None,
        )
        if found is None:
            raise TargetError(f"{number} is none of your numbers; see: bridge numbers{self._target.options}")
        if found["Status"] != "ACTIVE":
            raise TargetError(f"{number} is {found['Status']}; it can be changed once it is ACTIVE")
        if found.get("PoolId"):
            raise TargetError(
                f"{number} is in pool {found['PoolId']}, whose two-way channel is that of its numbers; take it out "
                "of the pool, or set the pool's with: aws pinpoint-sms-voice-v2 update-pool"
            )
        if "SMS" not in found["NumberCapabilities"]:
            raise TargetError(f"{number} has no SMS: {', '.join(found['NumberCapabilities'])}")
        return found

    def _update(self, found: Mapping[str, Any], to: TwoWayChannel) -> None:
        request: dict[str, Any] = {"PhoneNumberId": found["PhoneNumberId"], "TwoWayEnabled": to.channel is not None}
        request |= {"TwoWayChannelArn": to.channel} if to.channel else {}
        request |= {"TwoWayChannelRole": to.role} if to.role else {}
        try:
            self._eum.update_phone_number(**request)
        except ClientError as exc:
            code, reason = exc.response["Error"]["Code"], exc.response.get("Reason", "")
            needs = "; needs sms-voice:UpdatePhoneNumber on the number and iam:PassRole on the role"
            raise TargetError(
                f"End User Messaging does not change {found['PhoneNumber']}: {code} {reason}".rstrip()
                + (needs if code == "AccessDeniedException" else "")
            ) from exc

    def _describe(self, found: Mapping[str, Any]) -> TwoWayChannel:
        answer = self._eum.describe_phone_numbers(PhoneNumberIds=[found["PhoneNumberId"]])
        return TwoWayChannel.of(answer["PhoneNumbers"][0])

    def _confirmed(self, found: Mapping[str, Any], wanted: TwoWayChannel) -> TwoWayChannel:
        """Wait until End User Messaging shows the wanted channel."""
        with aws_errors(self._target):
            for left in reversed(range(_CHECKS)):
                now = self._describe(found)
                if now == wanted or not left:
                    break
                self._pause(1)
        if now != wanted:
            raise TargetError(
                f"End User Messaging took the change of {found['PhoneNumber']}, and shows two-way SMS: {now}"
            )
        return now

    def _tags(self, arn: str) -> dict[str, str]:
        found = self._eum.list_tags_for_resource(ResourceArn=arn)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found if tag["Key"].startswith(TAG)}

    def _store(self, arn: str, now: TwoWayChannel, stack: TwoWayChannel) -> None:
        """Store `now` in tags, unless it is what an interrupted disconnect left: nobody wants that back."""
        stored = self._tags(arn)
        before = from_tags(stored)
        if before is None or not _is_interrupted(now, before, stack):
            tags = to_tags(now)
            self._untag(arn, stored.keys() - tags.keys())
            self._eum.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def _untag(self, arn: str, keys: Iterable[str]) -> None:
        if keys := [*keys]:
            self._eum.untag_resource(ResourceArn=arn, TagKeys=keys)
