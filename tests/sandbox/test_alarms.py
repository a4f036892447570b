"""Which alarms are on for each problem. None is on without a problem."""

from __future__ import annotations

import json
import time

from bridge.metrics import METRICS_BY_FUNCTION
from tests.sandbox.alarms import Watch
from tests.sandbox.logs import measured
from tests.sandbox.texts import START_CHAT, Phones, Text, customer, forwarded, until


def test_while_nothing_is_wrong_no_alarm_is_on(phones: Phones) -> None:
    watch = Watch.begin(phones.sandbox)
    texts = [Text(customer=customer(8000 + n), body="all is well") for n in range(3)]
    phones.send(texts)
    until(lambda: forwarded(phones, texts), seconds=20, what="forwarded")
    assert watch.on() == set()


def test_an_alarm_is_on_while_connect_refuses_and_off_afterwards(phones: Phones) -> None:
    watch = Watch.begin(phones.sandbox)
    text = Text(customer=customer(8010), body="let me in")
    with phones.fault("refuse"):
        phones.send([text])
        until(watch.on, seconds=20, what="an alarm")
        assert watch.on() == {"AlarmTextsBlocked"}
    until(lambda: forwarded(phones, [text]), seconds=20, what="forwarded")
    assert Watch.begin(phones.sandbox).on() == set()


def test_a_message_in_failed_raises_its_alarm_until_there_is_none(phones: Phones) -> None:
    watch = Watch.begin(phones.sandbox)
    text = Text(customer=customer(8020), body="to nobody", business_number="+12125550199")
    phones.send([text])
    until(lambda: phones.outcome(text) == "failed", seconds=20, what="failed")
    assert watch.on() == {"AlarmFailed"}
    phones.empty("FailedQueueUrl")
    assert watch.on() == set()


def test_what_reached_nobody_is_noticed(phones: Phones) -> None:
    watch = Watch.begin(phones.sandbox)
    phones.sandbox.client("lambda").invoke(
        FunctionName=phones.outputs["IntakeFunctionName"], InvocationType="Event", Payload=json.dumps({"no": "SNS"})
    )
    until(lambda: "AlarmUndelivered" in watch.on(), seconds=30, what="noticed")
    phones.empty("UndeliveredQueueUrl")
    assert watch.on() == set(), "three errors of one event are not a function that keeps failing"


def test_the_first_event_that_aws_could_not_keep_is_noticed(phones: Phones) -> None:
    """MiniStack does not write these metrics: the test puts them, with the names of the deployed resources."""
    cloudwatch, outputs = phones.sandbox.client("cloudwatch"), phones.outputs
    said = {
        "AlarmIntakeDestinationFailures": ("Lambda", "DestinationDeliveryFailures", "IntakeFunctionName"),
        "AlarmReplyIntakeDestinationFailures": ("Lambda", "DestinationDeliveryFailures", "ReplyIntakeFunctionName"),
        "AlarmIntakeDropped": ("Lambda", "AsyncEventsDropped", "IntakeFunctionName"),
        "AlarmReplyIntakeDropped": ("Lambda", "AsyncEventsDropped", "ReplyIntakeFunctionName"),
        "AlarmTextsRedriveFailures": ("SNS", "NumberOfNotificationsFailedToRedriveToDlq", "InboundTopicArn"),
        "AlarmRepliesRedriveFailures": ("SNS", "NumberOfNotificationsFailedToRedriveToDlq", "StreamingTopicArn"),
    }
    for alarm, (service, metric, output) in said.items():
        watch = Watch.begin(phones.sandbox)
        dimension = {"Name": "FunctionName" if service == "Lambda" else "TopicName"}
        dimension["Value"] = outputs[output].rpartition(":")[2]
        data = {"MetricName": metric, "Dimensions": [dimension], "Value": 1.0, "Unit": "Count"}
        cloudwatch.put_metric_data(Namespace=f"AWS/{service}", MetricData=[data])
        assert watch.on() == {alarm}


def test_replies_have_alarms_of_their_own(phones: Phones) -> None:
    watch, who = Watch.begin(phones.sandbox), customer(8030)
    text = Text(customer=who, body="hello there", business_number=START_CHAT)
    phones.send([text])
    until(lambda: forwarded(phones, [text]), seconds=40, what="forwarded")
    with phones.fault("refuse", operation="SendTextMessage"):
        phones.simulator.reply(who, "You will get this later")
        until(watch.on, seconds=30, what="an alarm")
        assert watch.on() == {"AlarmRepliesBlocked"}
    until(lambda: phones.simulator.phone(who), seconds=40, what="on the phone")


def test_every_metric_in_the_logs_is_one_that_is_known_under_the_stacks_name(phones: Phones) -> None:
    text = Text(customer=customer(8040), body="counted")
    began = time.time()
    phones.send([text])
    until(lambda: forwarded(phones, [text]), seconds=20, what="forwarded")

    def written() -> set[tuple[str, str]]:
        for metric in measured(phones.sandbox):
            assert metric.namespace == phones.sandbox.stack and metric.dimensions.keys() == {"service"}
            assert metric.name in METRICS_BY_FUNCTION[metric.dimensions["service"]]
        return {(m.dimensions["service"], m.name) for m in measured(phones.sandbox, since=began)}

    expected = {("intake", "TextsReceived"), ("forward", "TextsForwarded"), ("forward", "EndToEndMilliseconds")}
    until(lambda: expected <= written(), seconds=20, what="written")
