"""`bridge doctor --first-deploy`: questions that only a real account answers, each a line of docs/real-account.md.

If the user has to do something first (send a text, answer it, send a file), the finding says so; once it was done, it
says what happened. `ok` means that the question is answered, whatever the answer is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from bridge.metrics import REPLY, TEXT
from bridge.texts.sms_event import conversation_id
from ops.doctor.contact_centre import allowed_to_caller, send_probe
from ops.doctor.findings import Check, Finding, cannot_tell, ok, warn
from ops.doctor.numbers import described_as
from ops.doctor.preflight import DeniedError, Preflight
from ops.doctor.quotas import ACTIVE_CHATS

DAYS = 14
"""How far back evidence is searched."""
LARGEST = 1_048_576
"""Bytes: the largest message of SQS."""
RATES = ("SendChatIntegrationEvent", "StartChatContact", "CreateParticipantConnection", "SendMessage")
_ANSWER = "answer its chat as an agent, then run this again"
_TEXT = "text one of your numbers from a phone, then run this again"


def api(preflight: Preflight) -> Iterator[Finding]:
    """What SendChatIntegrationEvent answers to a DISCONNECT without a chat.

    Asked even if no number has integration-event delivery: it says whether one could have it.
    """
    if not preflight.probe:
        yield cannot_tell("not tried", "leave out --no-probe")
        return
    try:
        answer = send_probe(preflight, preflight.config.numbers[0].arn)
    except DeniedError:
        yield of_api("AccessDeniedException", allowed=allowed_to_caller(preflight))
    except ClientError as exc:
        yield of_api(exc.response["Error"]["Code"], allowed=True)
    else:
        yield of_api(answer, allowed=True)


_DECIDES = ("AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException")
"""Codes that are about the account or the chat. All others are about this one call, such as throttling."""


def of_api(answer: str | Mapping[str, Any], *, allowed: bool | None) -> Finding:
    """`answer` is the error code or the response; `allowed`: whether IAM allows the call, None if unknown."""
    if answer == "AccessDeniedException" and not allowed:
        return cannot_tell(
            "AccessDeniedException, by Connect to the account or by IAM to you",
            "needs the permissions connect:SendChatIntegrationEvent and iam:SimulatePrincipalPolicy",
        )
    if isinstance(answer, str) and answer not in _DECIDES:
        return cannot_tell(f"the answer was {answer}, which says nothing of the API", "run it again")
    if isinstance(answer, str):
        return ok(f"a DISCONNECT without a chat is answered with {answer}")
    contact = "a contact" if answer.get("InitialContactId") else "no contact"
    chat = "true" if answer.get("NewChatCreated") else "false"
    return ok(f"a DISCONNECT without a chat is taken, with {contact}, NewChatCreated {chat}")


def channel(preflight: Preflight) -> Iterator[Finding]:
    """Whether End User Messaging can publish to the encrypted topic in its role, and SNS calls intake."""
    yield of_count(
        _count(preflight, TEXT.received, "intake"),
        "texts arrived: the role, the topic and its key let End User Messaging publish",
        f"no text arrived in {DAYS} days: {_TEXT}",
    )


def senders(preflight: Preflight) -> Iterator[Finding]:
    """How the sender of a text is spelled. The ledger has only its hash, so each spelling is tried."""
    if not preflight.phone:
        yield cannot_tell("which phone texted is not known", f"{_TEXT}, with --phone NUMBER")
        return
    numbers = [number.number for number in preflight.config.numbers]
    known = {
        (sender, number)
        for number in (*numbers, *(number.removeprefix("+") for number in numbers))
        for sender in spellings(preflight.phone)
        if _knows(preflight, sender, number)
    }
    yield of_senders(known)


def spellings(phone: str) -> Sequence[str]:
    """Possible spellings of a sender: E.164, without `+`, and without the country code of North America."""
    digits = phone.strip().removeprefix("+")
    national = [digits[1:]] if len(digits) == 11 and digits.startswith("1") else []
    return [f"+{digits}", digits, *national]


def of_senders(known: set[tuple[str, str]]) -> Finding:
    """`known` are the spellings of sender and business number for which the ledger has a text."""
    if not known:
        return cannot_tell(f"the ledger has no text of this phone in {DAYS} days", f"{_TEXT}; or see `channel`")
    forms = sorted({_form(sender) for sender, _ in known})
    number_forms = sorted({_form(number) for _, number in known})
    summary = f"it comes as {' and '.join(forms)}, to a number spelled {' and '.join(number_forms)}"
    if forms == number_forms == ["+digits"]:
        return ok(summary)
    return warn(summary, "a conversation goes by the spelling: answers to one phone may be in two chats")


def streaming(preflight: Preflight) -> Iterator[Finding]:
    """Whether Connect can publish to the encrypted streaming topic. If the key refuses it, no error is shown."""
    arn = preflight.outputs.get("StreamingTopicArn")
    if not arn:
        return
    topic = arn.rpartition(":")[2]
    chats = _count(preflight, "NewChats", "forward")
    published = _sum(preflight, "AWS/SNS", "NumberOfMessagesPublished", {"TopicName": topic})
    yield of_streamed(chats, published)


def of_streamed(chats: float, published: float) -> Finding:
    if published:
        return ok(f"Connect published {published:g} messages: topic and key let it")
    if not chats:
        return cannot_tell(f"no chat was started in {DAYS} days", _TEXT)
    return warn(
        f"{chats:g} chats were started and Connect published nothing, not even that they ended",
        "look in CloudTrail for connect.amazonaws.com, which is refused the topic or its key",
        "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventSource,AttributeValue=kms.amazonaws.com",
    )


def replies(preflight: Preflight) -> Iterator[Finding]:
    """Whether the reply function sends what agents write."""
    if not preflight.outputs.get("StreamingTopicArn"):
        return
    yield of_count(
        _count(preflight, REPLY.done, "reply"), "replies were sent", f"no reply was sent in {DAYS} days: {_ANSWER}"
    )


def attachments(preflight: Preflight) -> Iterator[Finding]:
    """What Connect streams for a file is not documented, and the bridge does not store it: the user must look."""
    arn = preflight.outputs.get("StreamingTopicArn")
    if not arn:
        return
    yield cannot_tell(
        "only you can see whether MessageVisibility is among a file's MessageAttributes, and how often it comes",
        "send a file as an agent, look at the e-mails (Type, MessageVisibility, each attachment's Status and Id), and "
        "unsubscribe",
        f"aws sns subscribe --topic-arn {arn} --protocol email-json --notification-endpoint YOUR-ADDRESS",
    )


def roles(preflight: Preflight) -> Iterator[Finding]:
    """Whether the numbers publish in a role."""
    options = preflight.target.options
    for number in preflight.config.numbers:
        described = described_as(number, preflight.phone_numbers)
        role = described.get("TwoWayChannelRole") if described else None
        yield of_role(number.number, role, options=options)


def of_role(about: str, role: str | None, *, options: str) -> Finding:
    if role is None:
        return cannot_tell("publishes in no role", "set it", f"bridge numbers connect {about}{options}", about=about)
    return ok(f"publishes in {role.rpartition('/')[2]}", about=about)


def filters(preflight: Preflight) -> Iterator[Finding]:
    """Whether SNS accepted the filter policy: how it counts keys in `$or` is not documented."""
    for one in preflight.all("SNS::Subscription"):
        if wanted := one.properties.get("FilterPolicy"):
            found = preflight.find("sns", "get_subscription_attributes", SubscriptionArn=one.physical_id)
            yield of_filter(wanted, found["Attributes"].get("FilterPolicy") if found else None)


def of_filter(wanted: Any, live: str | None) -> Finding:
    if live is None:
        return warn("the subscription has no filter policy", "deploy again")
    taken = json.loads(live) == wanted
    return ok("SNS took it as it is") if taken else warn(f"SNS holds another one: {live}", "deploy again")


def sizes(preflight: Preflight) -> Iterator[Finding]:
    """Whether the queues accept the largest message: AWS's documents disagree about the default."""
    sizes = {}
    for name in ("ConversationsQueueUrl", "RepliesQueueUrl", "FailedQueueUrl", "UndeliveredQueueUrl"):
        if url := preflight.outputs.get(name):
            answer = preflight.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["MaximumMessageSize"])
            sizes[name.removesuffix("QueueUrl").lower()] = int(answer["Attributes"]["MaximumMessageSize"])
    yield of_sizes(sizes)


def of_sizes(sizes: Mapping[str, int]) -> Finding:
    if small := {name: size for name, size in sizes.items() if size < LARGEST}:
        summary = ", ".join(f"{name} {size}" for name, size in small.items())
        return warn(f"these take less than {LARGEST} bytes: {summary}", "deploy again")
    return ok(f"all {len(sizes)} take {LARGEST} bytes")


def quotas(preflight: Preflight) -> Iterator[Finding]:
    """The names in Service Quotas of the quotas that doctor finds by name or code."""
    listed = preflight.every("service-quotas", "list_service_quotas", "Quotas", ServiceCode="connect", MaxResults=100)
    found = {one["QuotaCode"]: (one["QuotaName"], one["Value"]) for one in listed}
    yield of_quota("active chats", found.get(ACTIVE_CHATS), f"no quota has the code {ACTIVE_CHATS}")
    for operation in RATES:
        named = next((one for one in found.values() if operation in one[0]), None)
        yield of_quota(operation, named, "no quota has it in its name")


def of_quota(about: str, found: tuple[str, float] | None, unless: str) -> Finding:
    if found is None:
        return warn(unless, "look it up in Service Quotas, and set limits in bridge.toml by it", about=about)
    return ok(f'"{found[0]}" is {found[1]:g}', about=about)


def of_count(count: float, found: str, otherwise: str) -> Finding:
    """`found` if something was counted; else `otherwise`, which is "what is missing: what to do"."""
    missing, _, to_do = otherwise.partition(": ")
    return ok(f"{count:g} {found}") if count else cannot_tell(missing, to_do)


def _form(number: str) -> str:
    return "+digits" if number.startswith("+") else "digits" if len(number) > 10 else "digits without country code"


def _knows(preflight: Preflight, sender: str, number: str) -> bool:
    since = datetime.now(UTC) - timedelta(days=DAYS)
    answer = preflight.ask(
        "dynamodb",
        "query",
        TableName=preflight.output("LedgerTableName"),
        IndexName="ByConversation",
        KeyConditionExpression="conversation = :conversation AND first_seen_at >= :since",
        ExpressionAttributeValues={
            ":conversation": {"S": conversation_id(sender, number)},
            ":since": {"N": str(int(since.timestamp() * 1000))},
        },
        Limit=1,
    )
    return bool(answer["Items"])


def _count(preflight: Preflight, name: str, function: str) -> float:
    """Of a metric of the bridge."""
    return _sum(preflight, preflight.target.stack, name, {"service": function})


def _sum(preflight: Preflight, namespace: str, name: str, dimensions: Mapping[str, str]) -> float:
    now = datetime.now(UTC)
    start, end = now - timedelta(days=DAYS), now + timedelta(minutes=1)
    return sum(preflight.metric(namespace, name, dimensions, "Sum", start=start, end=end, period=86_400))


CHECKS = (
    Check("answer of the API", api),
    Check("channel", channel),
    Check("senders", senders),
    Check("streaming key", streaming),
    Check("replies", replies),
    Check("attachments", attachments),
    Check("role", roles),
    Check("filter policy", filters),
    Check("message size", sizes),
    Check("quota names", quotas),
)
