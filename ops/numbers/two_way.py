"""Where a number's inbound texts go: pointing them at a stack, remembering what stood before, and back.

What stood before is kept in tags of the number itself: it goes with the number, whoever undoes it and from wherever,
and outlives the stack.
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

BEFORE = "sms-to-connect:two-way-before"
"""The tag's key; what is too long for one value goes on in BEFORE-2, and so on."""
VALUE = 256
"""Characters that a tag's value may have."""
_PATIENT = ClientConfig(retries={"mode": "standard", "total_max_attempts": 8})
"""End User Messaging answers each of these calls once a second."""
_LOOKS = 4
"""How often a change is looked for before it counts as not made."""


@dataclass(frozen=True, slots=True)
class TwoWay:
    """`channel` is a topic's ARN, or connect.REGION.amazonaws.com; None where two-way SMS is off."""

    channel: str | None = None
    role: str | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> TwoWay:
        """Of a number or a pool, as End User Messaging describes it."""
        if not described.get("TwoWayEnabled"):
            return cls()
        return cls(described.get("TwoWayChannelArn"), described.get("TwoWayChannelRole"))

    @classmethod
    def at(cls, outputs: Mapping[str, str]) -> TwoWay:
        """A stack's."""
        return cls(outputs["InboundTopicArn"], outputs["TwoWayChannelRoleArn"])

    @property
    def goes_to_connect(self) -> bool:
        """Straight into Amazon Connect, as importing a number there may set it."""
        return (self.channel or "").startswith("connect.")

    def __str__(self) -> str:
        if self.channel is None:
            return "off"
        to = "Amazon Connect" if self.goes_to_connect else self.channel
        return f"{to}, in role {self.role}" if self.role else to


def tags(before: TwoWay) -> dict[str, str]:
    """`before` in characters that AWS takes in tags: others as =XX, and = itself."""
    said = " ".join(part for part in (before.channel, before.role) if part) or "off"
    value = quote(said, safe=":/+@._-").replace("~", "%7E").replace("%", "=")  # quote leaves ~ as it is
    parts = (value[start : start + VALUE] for start in range(0, len(value), VALUE))
    return {_key(n): part for n, part in enumerate(parts, start=1)}


def remembered(found: Mapping[str, str]) -> TwoWay | None:
    """What `tags` wrote; None where nothing is."""
    parts, n = [], 1
    while part := found.get(_key(n)):
        parts.append(part)
        n += 1
    if not parts:
        return None
    said = unquote("".join(parts).replace("=", "%"))
    return TwoWay() if said == "off" else TwoWay(*said.split(" "))


def _key(n: int) -> str:
    return BEFORE if n == 1 else f"{BEFORE}-{n}"


def _halfway(now: TwoWay, before: TwoWay, ours: TwoWay) -> bool:
    """Whether a disconnect that was interrupted leaves this: off, or what stood before, but still in our role."""
    return now != before and now in (TwoWay(), TwoWay(before.channel, ours.role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to a number: `before` and `now` are the same where there was nothing to do."""

    number: str
    before: TwoWay
    now: TwoWay
    interrupted: bool = False
    """Whether two-way SMS was off for a moment in between."""


class Numbers:
    """The account's numbers, as somebody changes them. Raises TargetError."""

    def __init__(self, target: Target, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._target, self._pause = target, pause
        self._eum = target.client("pinpoint-sms-voice-v2", _PATIENT)

    def all(self) -> list[Mapping[str, Any]]:
        """As End User Messaging describes them."""
        with aws_errors(self._target):
            pages = self._eum.get_paginator("describe_phone_numbers").paginate()
            return [number for page in pages for number in page["PhoneNumbers"]]

    def connect(self, number: str) -> Change:
        """Points it at the stack. What stood before is noted first, so that no interruption loses it."""
        found, wanted = self._changeable(number), TwoWay.at(self._target.outputs)
        now = TwoWay.of(found)
        if now == wanted:
            return Change(number=found["PhoneNumber"], before=now, now=now)
        with aws_errors(self._target):
            if now.channel != wanted.channel:  # else it is this stack's already, but for the role
                self._note_unless_undone_halfway(found["PhoneNumberArn"], now, wanted)
            self._update(found, wanted)
        return Change(number=found["PhoneNumber"], before=now, now=self._look(found, wanted))

    def disconnect(self, number: str) -> Change:
        """Sets what stood before it was connected. One that does not point at the stack is left as it is.

        Unless an earlier disconnect was interrupted: what that left is set right.
        """
        found, ours = self._changeable(number), TwoWay.at(self._target.outputs)
        now, arn = TwoWay.of(found), found["PhoneNumberArn"]
        with aws_errors(self._target):
            noted = self._tags(arn)
            before = remembered(noted)
            if now.channel != ours.channel and not (before and _halfway(now, before, ours)):
                if now == before:
                    self._forget(arn, noted)
                return Change(number=found["PhoneNumber"], before=now, now=now)
            if before is None:
                raise TargetError(
                    f"nobody noted what stood before {found['PhoneNumber']} was connected; to switch two-way SMS off: "
                    f"aws pinpoint-sms-voice-v2 update-phone-number --phone-number-id {found['PhoneNumberId']} "
                    "--no-two-way-enabled"
                )
            self._update(found, before)
            interrupted = before.channel is not None and before.role is None and self._describe(found).role is not None
            if interrupted:  # a role that is not named stays, until two-way SMS is off
                self._update(found, TwoWay())
                self._update(found, before)
            is_now = self._look(found, before)
            self._forget(arn, noted)
        return Change(number=found["PhoneNumber"], before=now, now=is_now, interrupted=interrupted)

    def _changeable(self, number: str) -> Mapping[str, Any]:
        """The number by itself, its id or its ARN, where End User Messaging lets it be changed."""
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

    def _update(self, found: Mapping[str, Any], to: TwoWay) -> None:
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

    def _describe(self, found: Mapping[str, Any]) -> TwoWay:
        answer = self._eum.describe_phone_numbers(PhoneNumberIds=[found["PhoneNumberId"]])
        return TwoWay.of(answer["PhoneNumbers"][0])

    def _look(self, found: Mapping[str, Any], wanted: TwoWay) -> TwoWay:
        """What stands now, which is what was wanted."""
        with aws_errors(self._target):
            for left in reversed(range(_LOOKS)):
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
        return {tag["Key"]: tag["Value"] for tag in found if tag["Key"].startswith(BEFORE)}

    def _note_unless_undone_halfway(self, arn: str, now: TwoWay, ours: TwoWay) -> None:
        """What an interrupted disconnect left is nothing that anybody wants back."""
        noted = self._tags(arn)
        before = remembered(noted)
        if before is None or not _halfway(now, before, ours):
            self._note(arn, now, over=noted)

    def _note(self, arn: str, before: TwoWay, *, over: Mapping[str, str]) -> None:
        noted = tags(before)
        self._forget(arn, over.keys() - noted.keys())
        self._eum.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in noted.items()])

    def _forget(self, arn: str, keys: Iterable[str]) -> None:
        if keys := [*keys]:
            self._eum.untag_resource(ResourceArn=arn, TagKeys=keys)
