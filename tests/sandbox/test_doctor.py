"""`bridge doctor` in a sandbox: the right check finds each defect, and finds none after it is repaired."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox import defects_of_numbers, defects_of_stack
from tests.sandbox.defects_of_stack import another_too, edited, set_topic_policy, topic_policy
from tests.sandbox.operator import ALWAYS, LEFT, Operator, problems
from tests.sandbox.texts import BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT, Phones, Text, customer, until

NUMBERS = (BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER, START_CHAT)
DEFECTS = defects_of_numbers.DEFECTS | defects_of_stack.DEFECTS


@pytest.fixture
def operator(sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]) -> Operator:
    phones.simulator.settings(rate=2000, burst=2000, rates={"*": (1000, 1000)})
    return Operator(sandbox, phones, capsys)


def test_a_new_sandbox_has_no_problems(operator: Operator) -> None:
    rows = operator.doctor()
    assert problems(rows) == {}
    assert {(row["check"], row["state"]): row["finding"] for row in rows if row["state"] != "ok"} == ALWAYS


@pytest.mark.parametrize("name", DEFECTS)
def test_each_defect_is_found_by_its_check_alone_with_a_remedy(name: str, operator: Operator) -> None:
    defect = DEFECTS[name]
    with defect.make(operator):
        rows = operator.doctor()
        assert problems(rows) == defect.says
        told = [row for row in rows if (row["check"], row["state"]) in defect.says]
        assert any(defect.remedy in f"{row['remedy']}: {row['command']}" for row in told)


def test_no_problem_is_left_after_all_defects(operator: Operator) -> None:
    """The test of each defect would find the one before it. This test does so for the last one."""
    assert problems(operator.doctor()) == {}


def test_open_chats_are_a_warning_when_an_instance_left_bridge_toml(operator: Operator) -> None:
    text = Text(customer=customer(4300), body="hello", business_number=START_CHAT)
    operator.phones.send([text])
    until(lambda: operator.phones.outcome(text) == "forwarded", seconds=60, what="a chat started")
    with edited(topic_policy, set_topic_policy, another_too)(operator):
        (told,) = (row for row in operator.doctor() if row["check"] == "open chats")
    assert told["state"] == "warn"
    assert f"open, and bridge.toml no longer names instance {LEFT}: deployed so" in told["finding"]


def test_the_probe_can_show_nothing_and_can_be_left_out(operator: Operator) -> None:
    simulator = operator.phones.simulator
    before = simulator.chats()
    for without_chat in ("not-found", "ignored"):
        simulator.settings(without_chat=without_chat)
        assert problems(operator.doctor()) == {}
    sent = [entry for entry in simulator.journal() if entry["operation"] == "SendChatIntegrationEvent"]
    assert [(entry["type"], entry["content"], entry["new_chat"]) for entry in sent] == [("DISCONNECT", None, False)]
    assert simulator.chats() == before
    assert problems(operator.doctor("--no-probe")) == {("SendChatIntegrationEvent", "cannot tell"): "not tried"}
    assert len([entry for entry in simulator.journal() if entry["operation"] == "SendChatIntegrationEvent"]) == 1


def test_a_first_deploy_asks_what_it_can_and_says_what_to_do_for_the_rest(operator: Operator) -> None:
    phone = customer(4200)
    text = Text(customer=phone, body="hello")
    operator.phones.queue([text])
    rows = operator.doctor("--first-deploy", "--phone", phone)
    found = {row["check"]: (row["state"], row["finding"]) for row in rows}
    assert found["answer of the API"][0] == "ok" and "DISCONNECT" in found["answer of the API"][1]
    assert found["senders"] == ("ok", "it comes as +digits, to a number spelled +digits")
    assert found["message size"] == ("ok", "all 4 take 1048576 bytes")
    assert found["filter policy"] == ("ok", "SNS took it as it is")
    assert {row["about"] for row in rows if row["check"] == "role" and row["state"] == "ok"} == {*NUMBERS}
    undone = {check for check, (state, _) in found.items() if state == "cannot tell"}
    assert undone == {"channel", "streaming key", "replies", "attachments"}, "the local AWS counts nothing by itself"
    assert not any(phone[2:] in value for row in rows for value in row.values())
    stack, topic = operator.sandbox.stack, operator.sandbox.outputs["StreamingTopicArn"].rpartition(":")[2]
    for namespace, name, dimension, value in (
        (stack, "TextsReceived", "service", "intake"),
        (stack, "RepliesSent", "service", "reply"),
        ("AWS/SNS", "NumberOfMessagesPublished", "TopicName", topic),
    ):
        data = [{"MetricName": name, "Dimensions": [{"Name": dimension, "Value": value}], "Value": 3.0}]
        operator.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    rows = operator.doctor("--first-deploy", "--phone", phone, "--no-probe")
    assert {row["check"] for row in rows if row["state"] == "cannot tell"} == {"answer of the API", "attachments"}


def test_settings_that_are_not_deployed_are_found(operator: Operator, tmp_path: Path) -> None:
    other = tmp_path / "bridge.toml"
    text = Path(operator.sandbox.config).read_text(encoding="utf-8")
    other.write_text(text.replace('queue = "sales"', 'queue = "other"'), encoding="utf-8")
    assert problems(operator.doctor("--config", str(other))) == {
        ("configuration", "fail"): f"what is deployed is not what {other} says"
    }
    other.write_text(f'stack = "Another"\n{text}', encoding="utf-8")
    assert problems(operator.doctor("--config", str(other))) == {
        ("configuration", "fail"): f"{other} is for stack Another, this is {operator.sandbox.stack}"
    }


def test_a_stack_that_is_not_there_and_another_region_are_one_line_each(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = operator.sandbox
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
