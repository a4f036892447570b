"""The settings of bridge.toml, and what the functions get of them. README.md says what each setting does.

Durations are float seconds, whatever unit the file has.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from infra.config.values import (
    REGION,
    Attributes,
    ContactFlowId,
    ContentType,
    DisplayName,
    Flag,
    InstanceArn,
    Keyword,
    Rate,
    duration,
    length,
    listed,
    matches,
    number_arn,
    one_of,
    topic_arn,
    whole_number,
)

HOUR = 3600.0
STREAMING_TOPIC = "StreamingTopic"
"""Logical id of the topic to which Connect streams the chats that the bridge starts."""
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs accepts (PutRetentionPolicy)."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the resource of an ARN is."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, arn: object) -> Location | None:
        """Of a number, a Connect instance or a topic; None if it is not an ARN of one of these."""
        shape = f"arn:(aws[a-z-]*):(?:sms-voice|sns|connect):({REGION}):([0-9]{{12}}):.+"
        found = re.fullmatch(shape, arn) if isinstance(arn, str) else None
        return cls(*found.groups()) if found else None

    def unlike(self, other: Location) -> str:
        """What differs from the other location, in words. If the partitions differ, the Regions always do."""
        differing = (
            (f"partition {self.partition}", self.partition != other.partition),
            (self.region, self.partition == other.partition and self.region != other.region),
            (f"account {self.account}", self.account != other.account),
        )
        return " and ".join(words for words, differs in differing if differs)


Delivery = Annotated[str, one_of("integration-event", "start-chat")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chat(Section):
    """How texts appear in a chat."""

    display_name: DisplayName = "{customer}"
    disconnect_keywords: Annotated[tuple[Keyword, ...], BeforeValidator(listed)] = ("STOP",)
    show_disconnect_keyword: Flag = True
    empty_message: Annotated[str, length(200)] = "(empty message)"
    late_message: Annotated[str, length(200, placeholder="sent")] = "(sent {sent})"
    body_attribute: Annotated[
        str, matches(r"[A-Za-z0-9_-]*", "an attribute's name", 'letters, digits, - and _ only, or "" for none')
    ] = ""
    supported_content_types: Annotated[tuple[ContentType, ...], BeforeValidator(listed)] = ("text/plain",)


class Limits(Section):
    """Rates in calls per second, durations in seconds, lengths in UTF-16 code units."""

    connect_rate: Rate = 14.0
    start_chat_rate: Rate = 5.0
    connection_rate: Rate = 6.0
    message_rate: Rate = 10.0
    disconnect_rate: Rate = 3.0
    sms_rate: Rate = 1.0
    max_lost_answers: Annotated[int, whole_number(1, 10)] = 2
    max_concurrency: Annotated[int, whole_number(2, 1000)] = 4
    part_length: Annotated[int, whole_number(64, 1024)] = 1024
    mark_late_after: Annotated[float, duration("0s", "14d")] = 15 * 60.0
    give_up_after: Annotated[float, duration("1s", "1d")] = 6 * HOUR
    call_timeout: Annotated[float, duration("500ms", "1m")] = 5.0
    batch_deadline: Annotated[float, duration("1s", "15m")] = 10.0
    function_timeout: Annotated[float, duration("1s", "15m", whole=True)] = 30.0
    retry_first: Annotated[float, duration("1s", "12h")] = 5.0
    retry_longest: Annotated[float, duration("1s", "12h")] = 5 * 60.0
    blocked_retry: Annotated[float, duration("1s", "12h")] = 2 * 60.0
    max_receive_count: Annotated[int, whole_number(1, 1000)] = 500


class Operation(Section):
    """What an operator sees."""

    log_retention_days: Annotated[int, one_of(*RETENTION_DAYS)] = 30
    log_level: Annotated[str, one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")] = "INFO"
    alarm_email: (
        Annotated[str, matches(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address", "one address: ops@example.com")] | None
    ) = None
    expect_texts_every: Annotated[float, duration("10m", "7d")] | None = None


class StartChat(Section):
    """How chats are started where delivery is start-chat."""

    instance_arn: InstanceArn | None = None
    contact_flow_id: ContactFlowId | None = None
    chat_duration: Annotated[float, duration("1h", "7d")] = 25 * HOUR
    first_text: Annotated[str, one_of("message", "initial-message")] = "message"


class Number(Section):
    """A business number; its own `display_name`, `attributes` and so on override those for all numbers."""

    number: Annotated[
        str, matches(r"\+[1-9][0-9]{1,14}", "a phone number in E.164 form", "+, country code, number: +12125550101")
    ]
    arn: Annotated[str, BeforeValidator(number_arn)]
    display_name: DisplayName | None = None
    attributes: Attributes
    streaming_topic_arn: Annotated[str, BeforeValidator(topic_arn)] | None = None
    delivery: Delivery | None = None
    instance_arn: InstanceArn | None = None
    contact_flow_id: ContactFlowId | None = None


class BridgeConfig(Section):
    """The whole of bridge.toml."""

    stack: Annotated[
        str,
        matches(
            r"[A-Za-z][A-Za-z0-9-]{0,127}",
            "a name for a CloudFormation stack",
            "letters, digits and -, beginning with a letter, at most 128",
        ),
    ] = "SmsToConnect"
    runtime: Annotated[str, one_of("python3.11", "python3.12", "python3.13", "python3.14")] = "python3.13"
    delivery: Delivery = "integration-event"
    start_chat: StartChat = StartChat()
    chat: Chat = Chat()
    limits: Limits = Limits()
    operation: Operation = Operation()
    attributes: Attributes
    numbers: tuple[Number, ...]

    def runtime_json(self) -> str:
        """The JSON that the functions read (bridge.config): equal settings give equal text."""
        chat = self.chat.model_dump(exclude={"display_name"})
        limits = self.limits.model_dump(exclude={"function_timeout", "max_receive_count"})
        routes = {
            number.number: {
                "arn": number.arn,
                "display_name": number.display_name or self.chat.display_name,
                "attributes": {**self.attributes, **number.attributes},
                "streaming_topic_arn": number.streaming_topic_arn,
                "start_chat": self._start_chat(number),
            }
            for number in self.numbers
        }
        return json.dumps({"chat": chat, "limits": limits, "routes": routes}, sort_keys=True, indent=1) + "\n"

    def delivery_of(self, number: Number) -> Delivery:
        """How this number's texts reach Connect."""
        return number.delivery or self.delivery

    @property
    def location(self) -> Location:
        """Of the numbers, and so of the stack. `load` refuses a file with ARNs of several locations."""
        _, partition, _, region, account, _ = self.numbers[0].arn.split(":", 5)
        return Location(partition, region, account)

    def fingerprint(self) -> str:
        """A hash of the settings, however they are written: it shows whether these settings are deployed."""
        settings = self.model_dump(mode="json")
        settings["numbers"].sort(key=lambda number: number["number"])
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def starts_chats(self, number: Number) -> bool:
        """Whether the bridge starts this number's chats (start-chat delivery)."""
        return self.delivery_of(number) == "start-chat"

    def contact_flow(self, number: Number) -> tuple[str | None, str | None]:
        """ARN of the instance and id of the contact flow for this number's chats."""
        start = self.start_chat
        return number.instance_arn or start.instance_arn, number.contact_flow_id or start.contact_flow_id

    def contact_flows(self) -> Mapping[str, tuple[str, ...]]:
        """By ARN of the instances in which the bridge starts chats: the ARNs of the contact flows used there."""
        flows: dict[str, set[str]] = {}
        for number in self.numbers:
            instance_arn, contact_flow_id = self.contact_flow(number)
            if self.starts_chats(number) and instance_arn:
                flows.setdefault(instance_arn, set()).add(f"{instance_arn}/contact-flow/{contact_flow_id}")
        return {instance: tuple(sorted(arns)) for instance, arns in sorted(flows.items())}

    def instances(self) -> tuple[str, ...]:
        """ARNs of all Connect instances that the file names, also those in which no chats are started now.

        If there is one, the stack has the pipeline of replies: chats that the bridge started may still be open.
        """
        named = {self.start_chat.instance_arn, *(number.instance_arn for number in self.numbers)}
        return tuple(sorted(arn for arn in named if arn))

    def note(self) -> str | None:
        """A line for the deployer about a valid file; None if there is nothing to say."""
        if not self.instances() or any(map(self.starts_chats, self.numbers)):
            return None
        sections = {"start_chat": self.start_chat} | {f"numbers[{n}]": one for n, one in enumerate(self.numbers, 1)}
        places = [f"{name}.instance_arn" for name, section in sections.items() if section.instance_arn]
        return (
            "no number starts chats any more; the reply path stays for those that are still open, while an instance is "
            f"named: take out {', '.join(places)} when they are over, and deploy again"
        )

    def _start_chat(self, number: Number) -> Mapping[str, Any] | None:
        if not self.starts_chats(number):
            return None
        instance_arn, contact_flow_id = self.contact_flow(number)
        return {
            "instance_id": (instance_arn or "").rpartition("/")[2],
            "contact_flow_id": contact_flow_id,
            "chat_minutes": int(self.start_chat.chat_duration // 60),
            "first_text": self.start_chat.first_text,
        }


SECTIONS: dict[str, type[Section]] = {
    "start_chat": StartChat,
    "chat": Chat,
    "limits": Limits,
    "operation": Operation,
    "numbers": Number,
}
