"""Defects of business numbers, Amazon Connect and the account, and what doctor says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sandbox.operator import FLOW, INSTANCE, Defect, Operator
from tests.sandbox.texts import BUSINESS_NUMBER


def number_is(**changes: Any) -> Any:
    """The first business number with other values."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        simulator = operator.phones.simulator
        before = simulator.numbers()
        simulator.set_numbers([number | (changes if number["number"] == BUSINESS_NUMBER else {}) for number in before])
        try:
            yield
        finally:
            simulator.set_numbers(before)

    return defect


def refused(operation: str) -> Any:
    """An operation that is refused."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        with operator.phones.fault("refuse", operation=operation):
            yield

    return defect


@contextmanager
def number_gone(operator: Operator) -> Iterator[None]:
    simulator = operator.phones.simulator
    before = simulator.numbers()
    simulator.set_numbers([number for number in before if number["number"] != BUSINESS_NUMBER])
    try:
        yield
    finally:
        simulator.set_numbers(before)


@contextmanager
def number_in_a_pool(operator: Operator) -> Iterator[None]:
    operator.phones.simulator.set_pools([{"id": "pool-1"}])
    with number_is(pool="pool-1")(operator):
        yield
    operator.phones.simulator.set_pools([])


def centre_with(edit: Callable[[list[dict[str, Any]]], None]) -> Any:
    """The contact centre with edited instances."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        simulator = operator.phones.simulator
        before, after = simulator.instances(), simulator.instances()
        edit(after)
        simulator.set_instances(after)
        try:
            yield
        finally:
            simulator.set_instances(before)

    return defect


def instance_is(**changes: Any) -> Any:
    return centre_with(lambda instances: instances[0].update(changes))


def flow_is(**changes: Any) -> Any:
    def edit(instances: list[dict[str, Any]]) -> None:
        (flow,) = (flow for flow in instances[0]["flows"] if flow["id"] == FLOW)
        flow.update(changes)

    return centre_with(edit)


def import_is(**changes: Any) -> Any:
    return centre_with(lambda instances: instances[0]["numbers"][0].update(changes))


def settings(**changes: Any) -> Any:
    """Settings of the simulator. Each test begins with the default ones."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        before = {name: operator.phones.simulator.status()[name] for name in changes}
        operator.phones.simulator.settings(**changes)
        try:
            yield
        finally:
            operator.phones.simulator.settings(**before)

    return defect


MINUTES_AGO = iter(range(55, 0, -5))


def measured(namespace: str, dimensions: dict[str, str], *, then: float = 1.0, **values: float) -> Any:
    """The latest values of metrics. CloudWatch keeps all values, so each call uses a later time."""

    @contextmanager
    def defect(operator: Operator) -> Iterator[None]:
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]

        def put(values: dict[str, float]) -> None:
            at = datetime.now(UTC) - timedelta(minutes=next(MINUTES_AGO))
            data = [
                {"MetricName": name, "Dimensions": named, "Value": value, "Timestamp": at}
                for name, value in values.items()
            ]
            operator.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)

        put(values)
        try:
            yield
        finally:
            put(dict.fromkeys(values, then))

    return defect


def chats(count: float, share: float) -> Any:
    dimensions = {"InstanceId": INSTANCE, "MetricGroup": "Chats"}
    return measured("AWS/Connect", dimensions, ConcurrentActiveChats=count, ConcurrentActiveChatsPercentage=share)


CONNECT = f"bridge numbers connect {BUSINESS_NUMBER} --sandbox"
NUMBER = ("number", "fail")
DEFECTS = {
    "a number that is not there": Defect(
        number_gone, {NUMBER: "the account has no such number in this Region"}, "bridge numbers --sandbox"
    ),
    "an ARN of another number": Defect(
        number_is(number="+12125550109"), {NUMBER: "its ARN in bridge.toml is that of +12125550109"}, "bridge numbers"
    ),
    "a number that is not active": Defect(
        number_is(status="PENDING"), {NUMBER: "is PENDING, not ACTIVE"}, "wait for its registration"
    ),
    "a number without SMS": Defect(number_is(capabilities=["VOICE"]), {NUMBER: "has no SMS"}, "another number"),
    "two-way SMS that is off": Defect(
        number_is(two_way=False), {NUMBER: "two-way SMS is off: its texts go nowhere"}, CONNECT
    ),
    "a number at another topic": Defect(
        number_is(channel="arn:aws:sns:us-east-1:111122223333:another"),
        {NUMBER: "its texts go to arn:aws:sns:us-east-1:111122223333:another"},
        CONNECT,
    ),
    "a number whose texts go straight to Connect": Defect(
        number_is(channel="connect.us-east-1.amazonaws.com"),
        {NUMBER: "its texts go straight to Amazon Connect, past the bridge"},
        CONNECT,
    ),
    "a number in another role": Defect(
        number_is(role="arn:aws:iam::111122223333:role/another"),
        {NUMBER: "it publishes in another role, arn:aws:iam::111122223333:role/another"},
        CONNECT,
    ),
    "a number in no role": Defect(
        number_is(role=None), {NUMBER: "it publishes in no role, which the topic does not admit"}, CONNECT
    ),
    "a number in a pool that goes elsewhere": Defect(
        number_in_a_pool,
        {NUMBER: "it is in pool pool-1, whose two-way SMS is off"},
        "aws pinpoint-sms-voice-v2 update-pool --pool-id pool-1 --two-way-enabled",
    ),
    "End User Messaging that may not be asked": Defect(
        refused("DescribePhoneNumbers"),
        {("number", "cannot tell"): "you may not ask for it"},
        "needs the permission sms-voice:DescribePhoneNumbers",
    ),
    "a number that is not imported": Defect(
        instance_is(numbers=[]),
        {
            ("import", "fail"): "is in no Connect instance of this Region",
            ("SendChatIntegrationEvent", "cannot tell"): "Connect knows no such number",
        },
        "aws connect import-phone-number --source-phone-number-arn",
    ),
    "an import that failed": Defect(
        import_is(status="FAILED"), {("import", "fail"): "its import failed"}, "import it again"
    ),
    "an import that goes on": Defect(
        import_is(status="IN_PROGRESS"), {("import", "warn"): "is being imported"}, "run doctor again"
    ),
    "a number without a flow": Defect(
        import_is(flow=None),
        {("import", "fail"): f"has no flow in instance {INSTANCE}: no chat can start"},
        "aws connect associate-flow --instance-id",
    ),
    "an instance that is not active": Defect(
        instance_is(status="CREATION_FAILED"), {("instance", "fail"): "is CREATION_FAILED"}, "Connect console"
    ),
    "an instance that is not there": Defect(
        centre_with(list.clear),
        {
            ("import", "fail"): "is in no Connect instance of this Region",
            ("instance", "fail"): "there is no such instance",
            ("contact flow", "fail"): f"is not in instance {INSTANCE}",
            ("SendChatIntegrationEvent", "cannot tell"): "Connect knows no such number",
        },
        "aws connect list-instances",
    ),
    "a flow that is not there": Defect(
        flow_is(id="99999999-1234-1234-1234-123456789012"),
        {("contact flow", "fail"): f"is not in instance {INSTANCE}"},
        "aws connect list-contact-flows --instance-id",
    ),
    "a flow that was never published": Defect(
        flow_is(status="SAVED"), {("contact flow", "fail"): "was never published"}, "publish it"
    ),
    "a flow of another type": Defect(
        flow_is(type="CUSTOMER_QUEUE"), {("contact flow", "fail"): "is of type CUSTOMER_QUEUE"}, "CONTACT_FLOW"
    ),
    "a flow that was archived": Defect(
        flow_is(state="ARCHIVED"), {("contact flow", "fail"): "is ARCHIVED"}, "restore it"
    ),
    "an account that may not call SendChatIntegrationEvent": Defect(
        refused("SendChatIntegrationEvent"),
        {("SendChatIntegrationEvent", "fail"): "Connect refuses this account: texts will be blocked"},
        'set delivery = "start-chat"',
    ),
    "chats at the quota": Defect(
        chats(500, 100),
        {("active chats", "fail"): "500 at once, 100 % of the quota: no chat can start until one ends"},
        "aws service-quotas request-service-quota-increase --service-code connect",
    ),
    "chats near the quota": Defect(
        chats(425, 85), {("active chats", "warn"): "425 at once, 85 % of the quota"}, "let chats end sooner"
    ),
    "a rate that is over the quota": Defect(
        settings(rate=10.0),
        {("Connect's rate", "warn"): "limits.connect_rate is 1000 a second, the quota 10: texts will be throttled"},
        "lower limits.connect_rate",
    ),
    "nothing left to spend": Defect(
        measured("AWS/SMSVoice", {}, TextMessageMonthlySpend=100.0),
        {("spending limit", "fail"): "100.00 of 100 dollars this month: replies are not sent"},
        "aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override",
    ),
    "little left to spend": Defect(
        measured("AWS/SMSVoice", {}, TextMessageMonthlySpend=90.0),
        {("spending limit", "warn"): "90.00 of 100 dollars this month"},
        "raise the limit",
    ),
    "no spending allowed": Defect(
        settings(spend_limit=0),
        {("spending limit", "fail"): "1.00 of 0 dollars this month: replies are not sent"},
        "raise",
    ),
    "an account in the SMS sandbox": Defect(
        settings(account_tier="SANDBOX"),
        {("SMS account", "warn"): "the account is in AWS's SMS sandbox: only verified phones get replies"},
        "ask for production access",
    ),
    "an instance that may not be asked": Defect(
        refused("DescribeInstance"),
        {("instance", "cannot tell"): "you may not ask for it"},
        "needs the permission connect:DescribeInstance",
    ),
}
