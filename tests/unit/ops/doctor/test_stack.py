"""The checks of credentials, stack, functions, event sources, subscriptions and alarms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from ops.doctor.findings import State
from ops.doctor.preflight import Identity, Preflight, UnmetError
from ops.doctor.stack import (
    of_event_source,
    of_function,
    of_listeners,
    of_place,
    of_status,
    of_subscription,
    stack,
)
from testing.preflight import NUMBERS


def test_credentials_of_another_partition_account_or_region_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(NUMBERS)
    config, role = load(path), "arn:{}:sts::{}:assumed-role/Deployer/me"
    assert of_place(config, arn=role.format("aws", "111122223333"), region="us-east-1") is None
    partition = of_place(config, arn=role.format("aws-us-gov", "111122223333"), region="us-east-1")
    assert partition and "for partition aws-us-gov, the numbers are of aws" in partition.finding
    account = of_place(config, arn=role.format("aws", "444455556666"), region="us-east-1")
    assert account and "for account 444455556666, the numbers are of 111122223333" in account.finding
    region = of_place(config, arn=role.format("aws", "111122223333"), region="eu-west-1")
    assert region and region.remedy == "--region us-east-1"


WITHOUT_PROTECTION = (
    "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name S && "
    "npx cdk deploy"
)


WAYS_OUT = {
    "REVIEW_IN_PROGRESS": "npx cdk deploy",
    "ROLLBACK_COMPLETE": WITHOUT_PROTECTION,
    "ROLLBACK_FAILED": WITHOUT_PROTECTION,
    "CREATE_FAILED": "aws cloudformation rollback-stack --stack-name S",
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name S",
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name S",
    "DELETE_FAILED": (
        "aws cloudformation delete-stack --stack-name S && "
        "aws cloudformation wait stack-delete-complete --stack-name S && npx cdk deploy"
    ),
}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("CREATE_COMPLETE", State.OK),
        ("UPDATE_COMPLETE", State.OK),
        ("UPDATE_ROLLBACK_COMPLETE", State.WARN),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", State.WARN),
        ("CREATE_IN_PROGRESS", State.WARN),
        ("ROLLBACK_IN_PROGRESS", State.WARN),
        ("IMPORT_ROLLBACK_COMPLETE", State.WARN),
        *((status, State.FAIL) for status in WAYS_OUT),
        ("IMPORT_ROLLBACK_FAILED", State.FAIL),
    ],
)
def test_a_stack_is_well_only_when_its_last_deployment_went_through(status: str, state: State) -> None:
    assert of_status("S", status, deploy="npx cdk deploy").state == state


@pytest.mark.parametrize(("status", "command"), WAYS_OUT.items(), ids=WAYS_OUT.keys())
def test_a_stack_that_failed_has_the_command_that_leads_out(status: str, command: str) -> None:
    found = of_status("S", status, deploy="npx cdk deploy")
    assert (found.command, status in found.finding) == (command, True)


class OfStacks:
    """CloudFormation with one stack, for a target."""

    sandbox, region, stack = None, "us-east-1", "S"

    def __init__(self, status: str, *outputs: str) -> None:
        self._answer = {
            "StackStatus": status,
            "Outputs": [{"OutputKey": name, "OutputValue": "arn:aws:sns:us-east-1:111122223333:t"} for name in outputs],
        }

    def client(self, *_: object) -> Any:
        return self

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        assert StackName == "S"
        return {"Stacks": [self._answer]}


@pytest.mark.parametrize(
    ("target", "command", "known"),
    [
        (OfStacks("ROLLBACK_COMPLETE"), WITHOUT_PROTECTION, False),
        (OfStacks("CREATE_IN_PROGRESS"), "", False),
        (OfStacks("CREATE_COMPLETE", "SomethingElse"), "npx cdk deploy", False),
        (OfStacks("UPDATE_ROLLBACK_FAILED", "InboundTopicArn"), WAYS_OUT["UPDATE_ROLLBACK_FAILED"], True),
        (OfStacks("CREATE_COMPLETE", "InboundTopicArn"), "", True),
    ],
)
def test_a_stack_without_outputs_is_judged_by_its_state_first(target: Any, command: str, known: bool) -> None:
    examined = Preflight(target=target, config_path=Path("bridge.toml"))
    examined.identity = Identity(account="111122223333", arn="arn:aws:iam::111122223333:user/u")
    (found,) = stack(examined)
    assert found.command == command
    if known:
        assert "InboundTopicArn" in examined.outputs
    else:
        with pytest.raises(UnmetError):
            _ = examined.outputs


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, (State.FAIL, "is gone")),
        ({"State": "Failed", "StateReason": "no key"}, (State.FAIL, "does not work: no key")),
        (
            {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no role", "StateReason": "x"},
            (State.FAIL, "does not work: no role"),
        ),
        ({"LastUpdateStatus": "Failed"}, (State.FAIL, "does not work: Lambda says Failed")),
        ({"State": "Pending"}, (State.WARN, "is being changed")),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, (State.WARN, "is being changed")),
        ({"State": "Inactive"}, None),
        ({"State": "Active", "LastUpdateStatus": "Successful"}, None),
    ],
)
def test_a_function_must_be_one_that_can_be_called(
    answer: Mapping[str, Any] | None, said: tuple[State, str] | None
) -> None:
    found = of_function(answer, restore="deploy")
    assert (found and (found.state, found.finding)) == said


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, State.FAIL),
        ({"State": "Disabled"}, State.FAIL),
        ({"State": "Disabling"}, State.FAIL),
        ({"State": "Enabling"}, State.WARN),
        ({"State": "Enabled", "LastProcessingResult": "PROBLEM: Function call failed"}, State.WARN),
        ({"State": "Enabled", "LastProcessingResult": "OK"}, None),
    ],
)
def test_an_event_source_must_be_read(answer: dict[str, Any] | None, state: State | None) -> None:
    queue = {"EventSourceArn": "arn:aws:sqs:us-east-1:111122223333:conversations.fifo"}
    found = of_event_source("u", answer and answer | queue, restore="deploy")
    assert (found and found.state) == state


EXPECTED = {"RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:undelivered"}}


@pytest.mark.parametrize(
    ("live", "said"),
    [
        (None, "no subscription of ours"),
        ({}, "does not keep in undelivered"),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:another"}'}, "does not keep"),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:undelivered"}'}, None),
    ],
)
def test_a_subscription_must_be_there_with_its_dead_letter_queue(live: dict[str, str] | None, said: str | None) -> None:
    found = of_subscription(EXPECTED, live, restore="deploy")
    assert said in found.finding if said else found is None  # type: ignore[union-attr]


def test_a_subscription_must_filter_and_wrap_as_deployed() -> None:
    sound = {"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:undelivered"}'}
    filtered = of_subscription(EXPECTED, sound | {"FilterPolicy": '{"Type": ["EVENT"]}'}, restore="deploy")
    assert filtered and "filters otherwise" in filtered.finding
    raw = of_subscription(EXPECTED, sound | {"RawMessageDelivery": "true"}, restore="deploy")
    assert raw and "raw messages" in raw.finding


def test_somebody_must_be_told_of_alarms() -> None:
    assert of_listeners([]).state == State.WARN
    assert of_listeners(["PendingConfirmation"]).state == State.WARN
    assert of_listeners(["PendingConfirmation", "arn:aws:sns:us-east-1:111122223333:t:1"]).state == State.OK
