"""`bridge doctor` in a sandbox: each check is made to fail, is seen to be the one that fails, and is mended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import OURS, OURS_TOO, START_CHAT, Phones, Text, customer, until

Row = dict[str, str]
NUMBERS = (OURS, OURS_TOO, START_CHAT)


@dataclass
class World:
    """The sandbox from its operator's side, and doctor in it."""

    sandbox: Sandbox
    phones: Phones
    capsys: pytest.CaptureFixture[str]

    def doctor(self, *options: str) -> list[Row]:
        self.capsys.readouterr()
        code = run(["doctor", "--sandbox", self.sandbox.name, "--json", *options])
        rows = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        assert code == (1 if any(row["state"] == "fail" for row in rows) else 0)
        return rows

    def aws(self, service: str) -> Any:
        return self.sandbox.client(service)

    def physical(self, name: str) -> str:
        """Of the resource whose logical id this is, but for the hash that CDK adds."""
        (found,) = (its for logical, its in self.resources.items() if re.fullmatch(f"{name}([0-9A-F]{{8}})?", logical))
        return found

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical id."""
        pages = self.aws("cloudformation").list_stack_resources(StackName=self.sandbox.stack)
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in pages["StackResourceSummaries"]}


@pytest.fixture
def world(sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]) -> World:
    phones.simulator.settings(rate=2000, burst=2000, rates={"*": (1000, 1000)})
    return World(sandbox, phones, capsys)


HONEST = {
    ("alarms", "warn"): "nobody is told of them",
    ("active chats", "cannot tell"): "CloudWatch has no count of the last hour",
}
"""What is not ok in a fresh sandbox: state and finding by check and what it is about."""


def odd(rows: list[Row]) -> dict[tuple[str, str], str]:
    """What is neither ok nor always so in a sandbox."""
    return {
        (row["check"], row["state"]): row["finding"]
        for row in rows
        if row["state"] != "ok" and (row["check"], row["state"]) not in HONEST
    }


def test_a_fresh_sandbox_is_well(world: World) -> None:
    rows = world.doctor()
    assert odd(rows) == {}
    assert {(row["check"], row["state"]): row["finding"] for row in rows if row["state"] != "ok"} == HONEST


# --- what can be wrong, one thing at a time ------------------------------------------------------------------


@contextmanager
def event_source_disabled(world: World) -> Iterator[None]:
    aws, uuid = world.aws("lambda"), world.physical("ForwardBatches")
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        aws.update_event_source_mapping(UUID=uuid, Enabled=True)


@contextmanager
def function_gone(world: World) -> Iterator[None]:
    """Reply, on which only its event source hangs."""
    aws, name = world.aws("lambda"), world.sandbox.outputs["ReplyFunctionName"]
    found = aws.get_function(FunctionName=name)
    archive = httpx.get(found["Code"]["Location"], trust_env=False).content
    kept = (
        *("FunctionName", "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize"),
        *("Environment", "TracingConfig", "Architectures", "LoggingConfig"),
    )
    aws.delete_function(FunctionName=name)
    try:
        yield
    finally:
        aws.create_function(Code={"ZipFile": archive}, **{key: found["Configuration"][key] for key in kept})
        until(
            lambda: aws.get_function_configuration(FunctionName=name)["State"] == "Active",
            seconds=30,
            what="the function active",
        )


@contextmanager
def subscription_gone(world: World) -> Iterator[None]:
    aws, topic = world.aws("sns"), world.sandbox.outputs["InboundTopicArn"]
    (before,) = aws.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    attributes = aws.get_subscription_attributes(SubscriptionArn=before["SubscriptionArn"])["Attributes"]
    aws.unsubscribe(SubscriptionArn=before["SubscriptionArn"])
    try:
        yield
    finally:
        aws.subscribe(
            TopicArn=topic,
            Protocol="lambda",
            Endpoint=before["Endpoint"],
            Attributes={"RedrivePolicy": attributes["RedrivePolicy"]},
        )


@contextmanager
def subscription_without_its_queue(world: World) -> Iterator[None]:
    aws, topic = world.aws("sns"), world.sandbox.outputs["InboundTopicArn"]
    (found,) = aws.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    policy = aws.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])["Attributes"]["RedrivePolicy"]

    def set_to(value: str) -> None:
        aws.set_subscription_attributes(
            SubscriptionArn=found["SubscriptionArn"], AttributeName="RedrivePolicy", AttributeValue=value
        )

    set_to("{}")
    try:
        yield
    finally:
        set_to(policy)


@contextmanager
def somebody_listens(world: World) -> Iterator[None]:
    aws, topic = world.aws("sns"), world.sandbox.outputs["InboundTopicArn"]
    queue = world.aws("sqs").create_queue(QueueName="somebody")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{world.sandbox.account}:somebody"
    made = aws.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    try:
        yield
    finally:
        aws.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
        world.aws("sqs").delete_queue(QueueUrl=queue)


@contextmanager
def sns_may_not_call_intake(world: World) -> Iterator[None]:
    aws, name = world.aws("lambda"), world.sandbox.outputs["IntakeFunctionName"]
    (statement,) = json.loads(aws.get_policy(FunctionName=name)["Policy"])["Statement"]
    aws.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    try:
        yield
    finally:
        aws.add_permission(
            FunctionName=name,
            StatementId=statement["Sid"],
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=world.sandbox.outputs["InboundTopicArn"],
        )


def edited(read: Callable[[World], Any], write: Callable[[World, str], None], edit: Callable[[Any], None]) -> Any:
    """A policy edited, and put back."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        before = read(world)
        text = before if isinstance(before, str) else json.dumps(before)
        after = json.loads(text)
        edit(after)
        write(world, json.dumps(after))
        try:
            yield
        finally:
            write(world, text)

    return trouble


def topic_policy(world: World) -> Any:
    return world.aws("sns").get_topic_attributes(TopicArn=world.sandbox.outputs["StreamingTopicArn"])["Attributes"][
        "Policy"
    ]


def set_topic_policy(world: World, policy: str) -> None:
    topic = world.sandbox.outputs["StreamingTopicArn"]
    world.aws("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


def queue_policy(world: World) -> Any:
    url = world.sandbox.outputs["UndeliveredQueueUrl"]
    return world.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]


def set_queue_policy(world: World, policy: str) -> None:
    url = world.sandbox.outputs["UndeliveredQueueUrl"]
    world.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def key_policy(world: World) -> Any:
    return world.aws("kms").get_key_policy(KeyId=world.physical("BridgeKey"), PolicyName="default")["Policy"]


def set_key_policy(world: World, policy: str) -> None:
    world.aws("kms").put_key_policy(KeyId=world.physical("BridgeKey"), PolicyName="default", Policy=policy)


def trust(world: World) -> Any:
    role = world.aws("iam").get_role(RoleName=world.physical("TwoWayChannelRole"))
    return role["Role"]["AssumeRolePolicyDocument"]


def set_trust(world: World, policy: str) -> None:
    role = world.physical("TwoWayChannelRole")
    world.aws("iam").update_assume_role_policy(RoleName=role, PolicyDocument=policy)


@contextmanager
def key_disabled(world: World) -> Iterator[None]:
    world.aws("kms").disable_key(KeyId=world.physical("BridgeKey"))
    try:
        yield
    finally:
        world.aws("kms").enable_key(KeyId=world.physical("BridgeKey"))


def without_policy(role: str, policy: str) -> Any:
    """A role that lost one of its policies; both by the beginnings of their names."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        aws, name = world.aws("iam"), world.physical(role)
        (whole,) = (one for one in aws.list_role_policies(RoleName=name)["PolicyNames"] if one.startswith(policy))
        before = aws.get_role_policy(RoleName=name, PolicyName=whole)["PolicyDocument"]
        aws.delete_role_policy(RoleName=name, PolicyName=whole)
        try:
            yield
        finally:
            aws.put_role_policy(RoleName=name, PolicyName=whole, PolicyDocument=json.dumps(before))

    return trouble


@contextmanager
def denied_to_forward(world: World) -> Iterator[None]:
    aws, name = world.aws("iam"), world.physical("ForwardRole")
    deny = {"Effect": "Deny", "Action": "connect:SendChatIntegrationEvent", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.put_role_policy(RoleName=name, PolicyName="above", PolicyDocument=document)
    try:
        yield
    finally:
        aws.delete_role_policy(RoleName=name, PolicyName="above")


def without(sid: str) -> Callable[[Any], None]:
    def edit(policy: Any) -> None:
        kept = [one for one in policy["Statement"] if one.get("Sid") != sid]
        assert len(kept) == len(policy["Statement"]) - 1
        policy["Statement"] = kept

    return edit


def emptied(policy: Any) -> None:
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]


def opened(policy: Any) -> None:
    policy["Statement"].append({"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"})


def nearly(policy: Any) -> None:
    (statement,) = (one for one in policy["Statement"] if one.get("Sid") == "ConnectStreams")
    arns = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    statement["Condition"]["ArnEquals"]["aws:SourceArn"] = f"{arns if isinstance(arns, str) else arns[0]}/*"


def another_too(policy: Any) -> None:
    (statement,) = (one for one in policy["Statement"] if one.get("Sid") == "ConnectStreams")
    arns = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    ours = [arns] if isinstance(arns, str) else arns
    statement["Condition"]["ArnEquals"]["aws:SourceArn"] = [*ours, ours[0].replace(INSTANCE, LEFT)]


def anybodys(policy: Any) -> None:
    del policy["Statement"][0]["Condition"]


def number_is(**changes: Any) -> Any:
    """The first of our numbers, changed."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        simulator = world.phones.simulator
        before = simulator.numbers()
        simulator.set_numbers([number | (changes if number["number"] == OURS else {}) for number in before])
        try:
            yield
        finally:
            simulator.set_numbers(before)

    return trouble


def refused(operation: str) -> Any:
    """To whoever asks."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        with world.phones.fault("refuse", operation=operation):
            yield

    return trouble


@contextmanager
def number_gone(world: World) -> Iterator[None]:
    simulator = world.phones.simulator
    before = simulator.numbers()
    simulator.set_numbers([number for number in before if number["number"] != OURS])
    try:
        yield
    finally:
        simulator.set_numbers(before)


@contextmanager
def number_in_a_pool(world: World) -> Iterator[None]:
    world.phones.simulator.set_pools([{"id": "pool-1"}])
    with number_is(pool="pool-1")(world):
        yield
    world.phones.simulator.set_pools([])


INSTANCE = "12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
"""The one that bridge.toml starts chats with."""
LEFT = "87654321-4321-4321-4321-210987654321"
"""An instance that is not in bridge.toml."""


def centre_with(edit: Callable[[list[dict[str, Any]]], None]) -> Any:
    """The contact centre's instances, edited."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        simulator = world.phones.simulator
        before, after = simulator.instances(), simulator.instances()
        edit(after)
        simulator.set_instances(after)
        try:
            yield
        finally:
            simulator.set_instances(before)

    return trouble


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
    """Of the double; every test begins with its own."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        before = {name: world.phones.simulator.status()[name] for name in changes}
        world.phones.simulator.settings(**changes)
        try:
            yield
        finally:
            world.phones.simulator.settings(**before)

    return trouble


MINUTES_AGO = iter(range(55, 0, -5))


def measured(namespace: str, dimensions: dict[str, str], *, then: float = 1.0, **values: float) -> Any:
    """What CloudWatch was told last; it forgets nothing, so each value is newer than those before it."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]

        def put(values: dict[str, float]) -> None:
            at = datetime.now(UTC) - timedelta(minutes=next(MINUTES_AGO))
            data = [
                {"MetricName": name, "Dimensions": named, "Value": value, "Timestamp": at}
                for name, value in values.items()
            ]
            world.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)

        put(values)
        try:
            yield
        finally:
            put(dict.fromkeys(values, then))

    return trouble


def chats(count: float, share: float) -> Any:
    dimensions = {"InstanceId": INSTANCE, "MetricGroup": "Chats"}
    return measured("AWS/Connect", dimensions, ConcurrentActiveChats=count, ConcurrentActiveChatsPercentage=share)


@contextmanager
def nothing_reserved(world: World) -> Iterator[None]:
    aws, name = world.aws("lambda"), world.sandbox.outputs["IntakeFunctionName"]
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        aws.delete_function_concurrency(FunctionName=name)


@dataclass(frozen=True)
class Trouble:
    """What is done, and what doctor then says: of which checks, with which words and which remedy."""

    make: Callable[[World], AbstractContextManager[None]]
    says: dict[tuple[str, str], str]
    remedy: str


RESTORE = "bridge sandbox down"
CONNECT = f"bridge numbers connect {OURS} --sandbox"
NUMBER = ("number", "fail")
TROUBLES = {
    "a number that is not there": Trouble(
        number_gone, {NUMBER: "the account has no such number in this Region"}, "bridge numbers --sandbox"
    ),
    "an ARN of another number": Trouble(
        number_is(number="+12125550109"), {NUMBER: "its ARN in bridge.toml is that of +12125550109"}, "bridge numbers"
    ),
    "a number that is not active": Trouble(
        number_is(status="PENDING"), {NUMBER: "is PENDING, not ACTIVE"}, "wait for its registration"
    ),
    "a number without SMS": Trouble(number_is(capabilities=["VOICE"]), {NUMBER: "has no SMS"}, "another number"),
    "two-way SMS that is off": Trouble(
        number_is(two_way=False), {NUMBER: "two-way SMS is off: its texts go nowhere"}, CONNECT
    ),
    "a number at another topic": Trouble(
        number_is(channel="arn:aws:sns:us-east-1:111122223333:another"),
        {NUMBER: "its texts go to arn:aws:sns:us-east-1:111122223333:another"},
        CONNECT,
    ),
    "a number whose texts go straight to Connect": Trouble(
        number_is(channel="connect.us-east-1.amazonaws.com"),
        {NUMBER: "its texts go straight to Amazon Connect, past the bridge"},
        CONNECT,
    ),
    "a number in another role": Trouble(
        number_is(role="arn:aws:iam::111122223333:role/another"),
        {NUMBER: "it publishes in another role, arn:aws:iam::111122223333:role/another"},
        CONNECT,
    ),
    "a number in no role": Trouble(
        number_is(role=None), {NUMBER: "it publishes in no role, which the topic does not admit"}, CONNECT
    ),
    "a number in a pool that goes elsewhere": Trouble(
        number_in_a_pool,
        {NUMBER: "it is in pool pool-1, whose two-way SMS is off"},
        "aws pinpoint-sms-voice-v2 update-pool --pool-id pool-1 --two-way-enabled",
    ),
    "End User Messaging that may not be asked": Trouble(
        refused("DescribePhoneNumbers"),
        {("number", "cannot tell"): "you may not ask for it"},
        "needs the permission sms-voice:DescribePhoneNumbers",
    ),
    "a number that is not imported": Trouble(
        instance_is(numbers=[]),
        {
            ("import", "fail"): "is in no Connect instance of this Region",
            ("SendChatIntegrationEvent", "cannot tell"): "Connect knows no such number",
        },
        "aws connect import-phone-number --source-phone-number-arn",
    ),
    "an import that failed": Trouble(
        import_is(status="FAILED"), {("import", "fail"): "its import failed"}, "import it again"
    ),
    "an import that goes on": Trouble(
        import_is(status="IN_PROGRESS"), {("import", "warn"): "is being imported"}, "run doctor again"
    ),
    "a number without a flow": Trouble(
        import_is(flow=None),
        {("import", "fail"): f"has no flow in instance {INSTANCE}: no chat can start"},
        "aws connect associate-flow --instance-id",
    ),
    "an instance that is not active": Trouble(
        instance_is(status="CREATION_FAILED"), {("instance", "fail"): "is CREATION_FAILED"}, "Connect console"
    ),
    "an instance that is not there": Trouble(
        centre_with(list.clear),
        {
            ("import", "fail"): "is in no Connect instance of this Region",
            ("instance", "fail"): "there is no such instance",
            ("contact flow", "fail"): f"is not in instance {INSTANCE}",
            ("SendChatIntegrationEvent", "cannot tell"): "Connect knows no such number",
        },
        "aws connect list-instances",
    ),
    "a flow that is not there": Trouble(
        flow_is(id="99999999-1234-1234-1234-123456789012"),
        {("contact flow", "fail"): f"is not in instance {INSTANCE}"},
        "aws connect list-contact-flows --instance-id",
    ),
    "a flow that was never published": Trouble(
        flow_is(status="SAVED"), {("contact flow", "fail"): "was never published"}, "publish it"
    ),
    "a flow of another type": Trouble(
        flow_is(type="CUSTOMER_QUEUE"), {("contact flow", "fail"): "is of type CUSTOMER_QUEUE"}, "CONTACT_FLOW"
    ),
    "a flow that was archived": Trouble(
        flow_is(state="ARCHIVED"), {("contact flow", "fail"): "is ARCHIVED"}, "restore it"
    ),
    "a streaming topic that admits nearly the instance": Trouble(
        edited(topic_policy, set_topic_policy, nearly),
        {
            ("topic policies", "fail"): "says otherwise than deployed: ConnectStreams",
            ("streaming topic", "fail"): (
                f"does not admit arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}: "
                "its condition is not the bare ARN"
            ),
        },
        "ArnEquals aws:SourceArn = the bare ARN",
    ),
    "an account that may not call SendChatIntegrationEvent": Trouble(
        refused("SendChatIntegrationEvent"),
        {("SendChatIntegrationEvent", "fail"): "Connect refuses this account: texts will be blocked"},
        'set delivery = "start-chat"',
    ),
    "chats at the quota": Trouble(
        chats(500, 100),
        {("active chats", "fail"): "500 at once, 100 % of the quota: no chat can start until one ends"},
        "aws service-quotas request-service-quota-increase --service-code connect",
    ),
    "chats near the quota": Trouble(
        chats(425, 85), {("active chats", "warn"): "425 at once, 85 % of the quota"}, "let chats end sooner"
    ),
    "a rate that is over the quota": Trouble(
        settings(rate=10.0),
        {("Connect's rate", "warn"): "limits.connect_rate is 1000 a second, the quota 10: texts will be throttled"},
        "lower limits.connect_rate",
    ),
    "nothing left to spend": Trouble(
        measured("AWS/SMSVoice", {}, TextMessageMonthlySpend=100.0),
        {("spending limit", "fail"): "100.00 of 100 dollars this month: replies are not sent"},
        "aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override",
    ),
    "little left to spend": Trouble(
        measured("AWS/SMSVoice", {}, TextMessageMonthlySpend=90.0),
        {("spending limit", "warn"): "90.00 of 100 dollars this month"},
        "raise the limit",
    ),
    "no spending allowed": Trouble(
        settings(spend_limit=0),
        {("spending limit", "fail"): "1.00 of 0 dollars this month: replies are not sent"},
        "raise",
    ),
    "an account in the SMS sandbox": Trouble(
        settings(account_tier="SANDBOX"),
        {("SMS account", "warn"): "the account is in AWS's SMS sandbox: only verified phones get replies"},
        "ask for production access",
    ),
    "a function that may not run": Trouble(
        nothing_reserved,
        {("concurrency", "fail"): "may not run at all: none is reserved for it"},
        "aws lambda delete-function",
    ),
    "an instance that may not be asked": Trouble(
        refused("DescribeInstance"),
        {("instance", "cannot tell"): "you may not ask for it"},
        "needs the permission connect:DescribeInstance",
    ),
    "an event source that is disabled": Trouble(
        event_source_disabled,
        {("event sources", "fail"): "is disabled: nothing reads this queue"},
        "aws lambda update-event-source-mapping --enabled --uuid",
    ),
    "a function that is gone": Trouble(function_gone, {("functions", "fail"): "is gone"}, RESTORE),
    "a subscription that is gone": Trouble(
        subscription_gone,
        {("subscriptions", "fail"): "has no subscription of ours: what is published is dropped"},
        RESTORE,
    ),
    "a subscription without its dead-letter queue": Trouble(
        subscription_without_its_queue,
        {("subscriptions", "fail"): "does not keep in undelivered what it cannot hand over"},
        RESTORE,
    ),
    "somebody else who listens": Trouble(
        somebody_listens,
        {("subscriptions", "warn"): "is listened to by others as well (sqs): they get bodies and numbers"},
        "aws sns list-subscriptions-by-topic",
    ),
    "a function that SNS may not call": Trouble(
        sns_may_not_call_intake, {("subscriptions", "fail"): "may not call the function that it is for"}, RESTORE
    ),
    "a topic policy without Connect": Trouble(
        edited(topic_policy, set_topic_policy, without("ConnectStreams")),
        {
            ("topic policies", "fail"): "no longer says: ConnectStreams",
            ("streaming topic", "fail"): f"does not admit arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}",
        },
        RESTORE,
    ),
    "a queue policy without SNS": Trouble(
        edited(queue_policy, set_queue_policy, emptied),
        {("queue policies", "fail"): "no longer says: Allow sqs:SendMessage, Allow sqs:SendMessage"},
        RESTORE,
    ),
    "a key policy without End User Messaging": Trouble(
        edited(key_policy, set_key_policy, without("EndUserMessagingToTopic")),
        {("key", "fail"): "no longer says: EndUserMessagingToTopic"},
        RESTORE,
    ),
    "a key policy that admits everybody": Trouble(
        edited(key_policy, set_key_policy, opened), {("key", "warn"): "allows what was not deployed: Open"}, RESTORE
    ),
    "a key that is disabled": Trouble(
        key_disabled, {("key", "fail"): "is Disabled: nothing can be written or read"}, "aws kms enable-key --key-id"
    ),
    "a channel role that trusts any account": Trouble(
        edited(trust, set_trust, anybodys),
        {("channel role", "fail"): "says otherwise than deployed: Allow sts:AssumeRole"},
        RESTORE,
    ),
    "a channel role that may not publish": Trouble(
        without_policy("TwoWayChannelRole", "ChannelRoleDefaultPolicy"),
        {
            ("channel role", "fail"): "has no such policy any more",
            ("permissions", "fail"): "may not sns:Publish: implicitDeny",
        },
        RESTORE,
    ),
    "a function's role without a policy": Trouble(
        without_policy("ReplyIntakeRole", "ReplyIntakePolicy"),
        {("function roles", "fail"): "has no such policy any more"},
        RESTORE,
    ),
    "a role that something above it denies": Trouble(
        denied_to_forward,
        {("permissions", "fail"): "may not connect:SendChatIntegrationEvent: explicitDeny"},
        "look at the role in IAM",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_told_by_its_check_alone_with_what_to_do(name: str, world: World) -> None:
    trouble = TROUBLES[name]
    with trouble.make(world):
        rows = world.doctor()
        assert odd(rows) == trouble.says
        told = [row for row in rows if (row["check"], row["state"]) in trouble.says]
        assert any(trouble.remedy in f"{row['remedy']}: {row['command']}" for row in told)


def test_all_of_that_was_mended(world: World) -> None:
    """Each trouble would show in the next one; this is for the last."""
    assert odd(world.doctor()) == {}


def test_open_chats_are_told_where_an_instance_that_is_deployed_is_not_in_the_file(world: World) -> None:
    text = Text(customer=customer(4300), body="hello", ours=START_CHAT)
    world.phones.send([text])
    until(lambda: world.phones.outcome(text) == "forwarded", seconds=60, what="a chat started")
    with edited(topic_policy, set_topic_policy, another_too)(world):
        (told,) = (row for row in world.doctor() if row["check"] == "open chats")
    assert told["state"] == "warn"
    assert f"open, and bridge.toml no longer names instance {LEFT}: deployed so" in told["finding"]


def test_the_probe_can_show_nothing_and_can_be_left_out(world: World) -> None:
    simulator = world.phones.simulator
    before = simulator.chats()
    for without_chat in ("not-found", "ignored"):
        simulator.settings(without_chat=without_chat)
        assert odd(world.doctor()) == {}
    sent = [entry for entry in simulator.journal() if entry["operation"] == "SendChatIntegrationEvent"]
    assert [(entry["type"], entry["content"], entry["new_chat"]) for entry in sent] == [("DISCONNECT", None, False)]
    assert simulator.chats() == before
    assert odd(world.doctor("--no-probe")) == {("SendChatIntegrationEvent", "cannot tell"): "not tried"}
    assert len([entry for entry in simulator.journal() if entry["operation"] == "SendChatIntegrationEvent"]) == 1


def test_a_first_deploy_asks_what_it_can_and_says_what_to_do_for_the_rest(world: World) -> None:
    phone = customer(4200)
    text = Text(customer=phone, body="hello")
    world.phones.queue([text])
    rows = world.doctor("--first-deploy", "--phone", phone)
    found = {row["check"]: (row["state"], row["finding"]) for row in rows}
    assert found["answer of the API"][0] == "ok" and "DISCONNECT" in found["answer of the API"][1]
    assert found["senders"] == ("ok", "it comes as +digits, to a number spelled +digits")
    assert found["message size"] == ("ok", "all 4 take 1048576 bytes")
    assert found["filter policy"] == ("ok", "SNS took it as it is")
    assert {row["about"] for row in rows if row["check"] == "role" and row["state"] == "ok"} == {*NUMBERS}
    undone = {check for check, (state, _) in found.items() if state == "cannot tell"}
    assert undone == {"channel", "streaming key", "replies", "attachments"}, "the local AWS counts nothing by itself"
    assert not any(phone[2:] in value for row in rows for value in row.values())
    stack, topic = world.sandbox.stack, world.sandbox.outputs["StreamingTopicArn"].rpartition(":")[2]
    for namespace, name, dimension, value in (
        (stack, "TextsReceived", "service", "intake"),
        (stack, "RepliesSent", "service", "reply"),
        ("AWS/SNS", "NumberOfMessagesPublished", "TopicName", topic),
    ):
        data = [{"MetricName": name, "Dimensions": [{"Name": dimension, "Value": value}], "Value": 3.0}]
        world.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    rows = world.doctor("--first-deploy", "--phone", phone, "--no-probe")
    assert {row["check"] for row in rows if row["state"] == "cannot tell"} == {"answer of the API", "attachments"}


def test_settings_that_were_not_deployed_are_told(world: World, tmp_path: Path) -> None:
    other = tmp_path / "bridge.toml"
    text = Path(world.sandbox.config).read_text(encoding="utf-8")
    other.write_text(text.replace('queue = "sales"', 'queue = "other"'), encoding="utf-8")
    assert odd(world.doctor("--config", str(other))) == {
        ("configuration", "fail"): f"what is deployed is not what {other} says"
    }
    other.write_text(f'stack = "Another"\n{text}', encoding="utf-8")
    assert odd(world.doctor("--config", str(other))) == {
        ("configuration", "fail"): f"{other} is for stack Another, this is {world.sandbox.stack}"
    }


def test_a_stack_that_is_not_there_and_another_region_are_one_line_each(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = world.sandbox
    for name, value in {
        "AWS_ENDPOINT_URL": local.endpoint_url,
        "AWS_ACCESS_KEY_ID": local.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)

    def failed(*options: str) -> list[str]:
        capsys.readouterr()
        assert run(["doctor", "--config", local.config, *options]) == 1
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("fail")]

    assert failed("--stack", "Nothing", "--region", "us-east-1") == [
        "fail         stack: there is no stack Nothing in us-east-1"
    ]
    assert failed("--stack", local.stack, "--region", "eu-west-1") == [
        "fail         credentials: this is eu-west-1, the numbers are in us-east-1"
    ]
