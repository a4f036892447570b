"""Quotas and how much of them is used: chats, calls, dollars, concurrent functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from ops.doctor.findings import Check, Finding, about, cannot_tell, fail, ok, unless, warn
from ops.doctor.preflight import Preflight

NEARLY = 80
"""Percent of a quota from which there is a warning."""
ACTIVE_CHATS = "L-D4BA6F6E"
"""The code of "Concurrent active chats per instance"."""
RATE = "SendChatIntegrationEvent"
_TEXTS = "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT"


def active_chats(preflight: Preflight) -> Iterator[Finding]:
    for instance_id in preflight.flows:
        dimensions = {"InstanceId": instance_id, "MetricGroup": "Chats"}
        share = _latest(preflight, "AWS/Connect", "ConcurrentActiveChatsPercentage", dimensions)
        count = _latest(preflight, "AWS/Connect", "ConcurrentActiveChats", dimensions)
        arn = f"arn:{preflight.pseudo['AWS::Partition']}:connect:{preflight.target.region}:{preflight.identity.account}"
        yield from about(instance_id, of_chats(f"{arn}:instance/{instance_id}", share, count))


def of_chats(instance_arn: str, share: float | None, count: float | None) -> Finding:
    """`share` of the quota in percent."""
    if share is None or count is None:
        return cannot_tell("CloudWatch has no count of the last hour", "run doctor again once there are chats")
    usage = f"{count:g} at once, {share:g} % of the quota"
    remedy = "let chats end sooner, or have the quota raised"
    command = (
        f"aws service-quotas request-service-quota-increase --service-code connect --quota-code {ACTIVE_CHATS} "
        f"--context-id {instance_arn} --desired-value NUMBER"
    )
    if share >= 100:
        return fail(f"{usage}: no chat can start until one ends", remedy, command)
    return warn(usage, remedy, command) if share >= NEARLY else ok(usage)


def rate(preflight: Preflight) -> Iterator[Finding]:
    """Of chat integration events only; the rates of the chat APIs are other settings."""
    if not preflight.by_events:
        return
    found = preflight.every("service-quotas", "list_service_quotas", "Quotas", ServiceCode="connect", MaxResults=100)
    quota = next((one["Value"] for one in found if RATE in one["QuotaName"]), None)
    yield of_rate(preflight.config.limits.connect_rate, quota)


def of_rate(configured: float, quota: float | None) -> Finding:
    if quota is None:
        return cannot_tell(f"Service Quotas names no rate of {RATE}; it is 17 a second by default")
    if configured > quota:
        return warn(
            f"limits.connect_rate is {configured:g} a second, the quota {quota:g}: texts will be throttled",
            "lower limits.connect_rate, or have the quota raised",
        )
    return ok(f"{quota:g} calls a second, {configured:g} at most for one forward function")


def spending(preflight: Preflight) -> Iterator[Finding]:
    """Of replies, sent by the bridge or by Connect."""
    limits = preflight.every("pinpoint-sms-voice-v2", "describe_spend_limits", "SpendLimits")
    limit = next((one["EnforcedLimit"] for one in limits if one["Name"] == _TEXTS), None)
    this_month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = _latest(preflight, "AWS/SMSVoice", "TextMessageMonthlySpend", {}, hours=96, not_before=this_month)
    yield of_spending(limit, spent)


def of_spending(limit: float | None, spent: float | None) -> Finding:
    """Dollars a month. Without a value in CloudWatch nothing was spent: there is one from the first text on."""
    if limit is None:
        return cannot_tell("End User Messaging names no limit for texts")
    so_far = spent or 0.0
    usage = f"{so_far:.2f} of {limit:g} dollars this month"
    remedy, command = (
        "raise the limit",
        "aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override --monthly-limit N",
    )
    if so_far >= limit:
        return fail(f"{usage}: replies are not sent", remedy, command)
    if so_far * 100 >= limit * NEARLY or limit <= 1:
        return warn(usage + (", what a new account may spend" if limit <= 1 else ""), remedy, command)
    return ok(usage)


def tier(preflight: Preflight) -> Iterator[Finding]:
    found = preflight.every("pinpoint-sms-voice-v2", "describe_account_attributes", "AccountAttributes")
    yield of_tier(next((one["Value"] for one in found if one["Name"] == "ACCOUNT_TIER"), ""))


def of_tier(name: str) -> Finding:
    if name == "SANDBOX":
        return warn(
            "the account is in AWS's SMS sandbox: only verified phones get replies",
            "ask for production access in the End User Messaging console",
        )
    return ok("production") if name == "PRODUCTION" else cannot_tell(f"End User Messaging calls it {name or 'nothing'}")


def concurrency(preflight: Preflight) -> Iterator[Finding]:
    wanted = preflight.config.limits.max_concurrency
    limits = preflight.ask("lambda", "get_account_settings")["AccountLimit"]
    readers = len(preflight.all("Lambda::EventSourceMapping"))
    reserved = {
        one.physical_id: answer.get("ReservedConcurrentExecutions")
        for one in preflight.all("Lambda::Function")
        if (answer := preflight.find("lambda", "get_function_concurrency", FunctionName=one.physical_id)) is not None
    }
    unreserved = limits["UnreservedConcurrentExecutions"]
    yield from unless(
        [*of_reserved(reserved), of_unreserved(unreserved, needed=readers * wanted)],
        f"{unreserved} at once, {readers * wanted} at most for the queues",
    )


def of_reserved(reserved: Mapping[str, int | None]) -> Iterator[Finding]:
    for name, count in reserved.items():
        if count == 0:
            yield fail(
                "may not run at all: none is reserved for it",
                "take the reservation away",
                f"aws lambda delete-function-concurrency --function-name {name}",
                about=name,
            )


def of_unreserved(unreserved: int, *, needed: int) -> Finding | None:
    if unreserved > needed:
        return None
    return warn(
        f"{unreserved} functions at once, those that read queues take {needed}: intake may be throttled",
        "lower limits.max_concurrency, or have Lambda's quota raised",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        "--desired-value 1000",
    )


def _latest(
    preflight: Preflight,
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    hours: float = 1,
    not_before: datetime | None = None,
) -> float | None:
    """The last value of a metric, the maximum of five minutes; None if there is none in these hours."""
    now = datetime.now(UTC)
    start = now - timedelta(hours=hours)
    start = max(start, not_before or start)
    values = preflight.metric(namespace, name, dimensions, "Maximum", start=start, end=now, period=300)
    return values[-1] if values else None


CHECKS = (
    Check("active chats", active_chats),
    Check("Connect's rate", rate),
    Check("spending limit", spending),
    Check("SMS account", tier),
    Check("concurrency", concurrency),
)
