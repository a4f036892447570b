"""`bridge doctor --first-deploy`: the finding for each answer of AWS, and docs/real-account.md has every question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bridge.texts.sms_event import conversation_id
from infra.config import load
from ops.cli import run
from ops.doctor import first_deploy
from ops.doctor.command import QUESTIONS
from ops.doctor.findings import Finding, State, examine
from ops.doctor.first_deploy import (
    CHECKS,
    of_api,
    of_filter,
    of_quota,
    of_role,
    of_senders,
    of_sizes,
    of_streamed,
    spellings,
)
from ops.doctor.preflight import Identity, Preflight, Resource
from ops.target import Target
from testing.builders import BUSINESS_NUMBER, CUSTOMER

PAGE = (Path(__file__).parents[4] / "docs/real-account.md").read_text(encoding="utf-8")
STREAMING = "arn:aws:sns:us-east-1:111122223333:streaming"
POLICY = {"Type": ["MESSAGE"]}
CONFIG = f"""
[[numbers]]
number = "{BUSINESS_NUMBER}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""

SERVICES = ("cloudwatch", "connect", "dynamodb", "iam", "pinpoint-sms-voice-v2", "service-quotas", "sns", "sqs")


class Account:
    """A client for every service with these responses, by operation; `asked` are the requests."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self.asked.append((name, request))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else answer

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: [getattr(self, operation)(**request)])

    class meta:  # noqa: N801 (as a client has it)
        class service_model:  # noqa: N801
            signing_name = "service"


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


def sums(**found: float) -> Any:
    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        value = found.get(request["MetricName"])
        points = [] if value is None else [{"Sum": value, "Timestamp": 1}, {"Sum": 0.0, "Timestamp": 0}]
        return {"Datapoints": points}

    return answer


def known(*pairs: tuple[str, str]) -> Any:
    hashes = {conversation_id(*pair) for pair in pairs}

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = request["ExpressionAttributeValues"][":conversation"]["S"]
        return {"Items": [{"text_key": {"S": "one"}}] if asked in hashes else []}

    return answer


def preflight(
    tmp_path: Path, account: Account, *, outputs: Mapping[str, str] | None = None, probe: bool = True, phone: str = ""
) -> Preflight:
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIG)
    target = Target(where="stack S in us-east-1", outputs={}, session=None, stack="S", region="us-east-1")
    here = Preflight(target=target, config_path=config, probe=probe, phone=phone or None)
    here.config = load(config)
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here.outputs = outputs or {"LedgerTableName": "ledger"}
    here._clients = dict.fromkeys(SERVICES, account)
    return here


def asked(here: Preflight, *names: str) -> list[Finding]:
    return list(examine([check for check in CHECKS if check.name in names], here))


# --- the page -------------------------------------------------------------------------------------------------


def rows(text: str) -> Iterable[list[str]]:
    return ([cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"(?m)^\|.*\|$", text))


def test_the_page_has_every_question_and_each_open_line_has_one_that_settles_it() -> None:
    names = {check.name for check in CHECKS}
    settled: set[str] = set()
    for _, proven, how in (row for row in rows(PAGE) if len(row) == 3 and not row[0].startswith(("what", "-"))):
        named = {name for name in re.findall(r"`([^`]+)`", how) if name in names}
        if proven.startswith("nothing yet"):
            assert named, how
        settled |= named
    assert settled == names
    step = PAGE[PAGE.index("## Ten minutes") :]
    assert set(re.findall(r"(?m)^\| `([^`]+)` \|", step)) == names


def test_the_readme_leads_to_the_page() -> None:
    assert "docs/real-account.md" in (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")


def test_the_questions_come_after_what_finds_the_stack() -> None:
    assert [check.name for check in QUESTIONS[:3]] == ["bridge.toml", "credentials", "stack"]
    assert QUESTIONS[3:] == CHECKS


def test_a_phone_is_of_no_use_without_the_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--stack", "S", "--region", "us-east-1", "--phone", CUSTOMER]) == 2
    assert "--first-deploy" in capsys.readouterr().err


# --- what is asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "allowed", "state", "says"),
    [
        ({}, True, State.OK, "is taken, with no contact, NewChatCreated false"),
        ({"InitialContactId": "c", "NewChatCreated": True}, True, State.OK, "with a contact, NewChatCreated true"),
        ("ResourceNotFoundException", True, State.OK, "is answered with ResourceNotFoundException"),
        ("AccessDeniedException", True, State.OK, "is answered with AccessDeniedException"),
        ("AccessDeniedException", False, State.CANNOT_TELL, "or by IAM to you"),
        ("AccessDeniedException", None, State.CANNOT_TELL, "or by IAM to you"),
    ],
)
def test_the_answer_of_the_api_is_told_as_it_is(answer: Any, allowed: bool | None, state: State, says: str) -> None:
    found = of_api(answer, allowed=allowed)
    assert found.state == state and found.finding.endswith(says)


def test_the_probe_is_a_disconnect_for_a_number_of_fiction_and_is_optional(tmp_path: Path) -> None:
    account = Account(send_chat_integration_event=error("ResourceNotFoundException"))
    (found,) = asked(preflight(tmp_path, account), "answer of the API")
    ((_, request),) = account.asked
    assert (request["SourceId"], request["Event"]) == ("+12025550100", {"Type": "DISCONNECT"})
    assert found.finding == "a DISCONNECT without a chat is answered with ResourceNotFoundException"
    (found,) = asked(preflight(tmp_path, Account(), probe=False), "answer of the API")
    assert (found.state, found.finding) == (State.CANNOT_TELL, "not tried")


@pytest.mark.parametrize(
    ("phone", "forms"),
    [
        ("+12025550123", ["+12025550123", "12025550123", "2025550123"]),
        ("4930123456", ["+4930123456", "4930123456"]),
    ],
)
def test_a_phone_is_looked_for_in_each_spelling(phone: str, forms: list[str]) -> None:
    assert spellings(phone) == forms


@pytest.mark.parametrize(
    ("pairs", "state", "says"),
    [
        ([], State.CANNOT_TELL, "the ledger has no text of this phone"),
        ([(CUSTOMER, BUSINESS_NUMBER)], State.OK, "it comes as +digits, to a number spelled +digits"),
        (
            [(CUSTOMER.removeprefix("+"), BUSINESS_NUMBER)],
            State.WARN,
            "it comes as digits, to a number spelled +digits",
        ),
        ([(CUSTOMER.removeprefix("+1"), BUSINESS_NUMBER)], State.WARN, "digits without country code"),
        ([(CUSTOMER, BUSINESS_NUMBER.removeprefix("+"))], State.WARN, "to a number spelled digits"),
        ([(CUSTOMER, BUSINESS_NUMBER), (CUSTOMER[1:], BUSINESS_NUMBER)], State.WARN, "+digits and digits"),
    ],
)
def test_how_a_sender_is_spelled_is_found_by_its_conversation(
    tmp_path: Path, pairs: list[tuple[str, str]], state: State, says: str
) -> None:
    (found,) = asked(preflight(tmp_path, Account(query=known(*pairs)), phone=CUSTOMER), "senders")
    assert found.state == state and says in found.finding
    assert CUSTOMER[2:] not in found.finding


def test_without_a_phone_the_sender_cannot_be_told(tmp_path: Path) -> None:
    (found,) = asked(preflight(tmp_path, Account()), "senders")
    assert found.state == State.CANNOT_TELL and "--phone NUMBER" in found.remedy
    assert of_senders(set()).state == State.CANNOT_TELL


# --- what somebody does first ---------------------------------------------------------------------------------


def test_evidence_settles_what_somebody_did_and_without_it_the_step_is_told(tmp_path: Path) -> None:
    outputs = {"StreamingTopicArn": STREAMING}
    account = Account(get_metric_statistics=sums())
    nothing = asked(preflight(tmp_path, account, outputs=outputs), "channel", "streaming key", "replies")
    assert {found.state for found in nothing} == {State.CANNOT_TELL}
    assert all("run this again" in found.remedy for found in nothing)
    measured = {(one["Namespace"], one["MetricName"], one["Dimensions"][0]["Value"]) for _, one in account.asked}
    assert measured == {
        ("S", "TextsReceived", "intake"),
        ("S", "NewChats", "forward"),
        ("AWS/SNS", "NumberOfMessagesPublished", "streaming"),
        ("S", "RepliesSent", "reply"),
    }
    account = Account(
        get_metric_statistics=sums(TextsReceived=2, NewChats=1, NumberOfMessagesPublished=7, RepliesSent=1)
    )
    done = asked(preflight(tmp_path, account, outputs=outputs), "channel", "streaming key", "replies")
    assert {found.state for found in done} == {State.OK}
    assert done[0].finding.startswith("2 texts arrived") and "7 messages" in done[1].finding


def test_chats_of_which_connect_publishes_nothing_are_a_warning() -> None:
    assert of_streamed(0, 0).state == State.CANNOT_TELL
    assert of_streamed(3, 0).state == State.WARN
    assert of_streamed(3, 1).state == State.OK


def test_what_is_streamed_of_files_is_shown_to_the_person_who_sends_one(tmp_path: Path) -> None:
    (found,) = asked(preflight(tmp_path, Account(), outputs={"StreamingTopicArn": STREAMING}), "attachments")
    assert found.state == State.CANNOT_TELL and f"--topic-arn {STREAMING} --protocol email-json" in found.command


def test_a_stack_that_starts_no_chats_is_not_asked_of_replies(tmp_path: Path) -> None:
    assert asked(preflight(tmp_path, Account()), "streaming key", "replies", "attachments") == []


# --- what stands in the account -------------------------------------------------------------------------------


def test_a_number_publishes_in_its_role_or_is_connected_first() -> None:
    found = of_role(BUSINESS_NUMBER, "arn:aws:iam::111122223333:role/channel", options=" --stack S")
    assert (found.state, found.about) == (State.OK, BUSINESS_NUMBER)
    found = of_role(BUSINESS_NUMBER, None, options=" --stack S")
    assert found.command == f"bridge numbers connect {BUSINESS_NUMBER} --stack S"


@pytest.mark.parametrize(
    ("live", "state"),
    [('{"Type": ["MESSAGE"]}', State.OK), ('{"Type": ["EVENT"]}', State.WARN), (None, State.WARN)],
)
def test_a_filter_policy_that_sns_holds_was_taken(live: str | None, state: State) -> None:
    assert of_filter(POLICY, live).state == state


def test_only_subscriptions_with_a_filter_policy_are_looked_at(tmp_path: Path) -> None:
    account = Account(get_subscription_attributes={"Attributes": {"FilterPolicy": '{"Type": ["MESSAGE"]}'}})
    here = preflight(tmp_path, account)
    here.__dict__["resources"] = {
        name: Resource(logical_id=name, kind="SNS::Subscription", physical_id=f"arn:{name}", properties=properties)
        for name, properties in (("texts", {}), ("replies", {"FilterPolicy": POLICY}))
    }
    (found,) = asked(here, "filter policy")
    assert found.state == State.OK and account.asked == [
        ("get_subscription_attributes", {"SubscriptionArn": "arn:replies"})
    ]


def test_queues_that_take_less_than_sqs_can_are_named(tmp_path: Path) -> None:
    account = Account(get_queue_attributes={"Attributes": {"MaximumMessageSize": "1048576"}})
    outputs = {"ConversationsQueueUrl": "c", "FailedQueueUrl": "f"}
    (found,) = asked(preflight(tmp_path, account, outputs=outputs), "message size")
    assert (found.state, found.finding) == (State.OK, "all 2 take 1048576 bytes")
    (found,) = asked(
        preflight(
            tmp_path, Account(get_queue_attributes={"Attributes": {"MaximumMessageSize": "262144"}}), outputs=outputs
        ),
        "message size",
    )
    assert found.finding == "these take less than 1048576 bytes: conversations 262144, failed 262144"
    found = of_sizes({"failed": 262_144, "replies": first_deploy.LARGEST})
    assert found.state == State.WARN and "failed 262144" in found.finding and "replies" not in found.finding


def test_quotas_are_told_by_the_names_that_aws_has_for_them(tmp_path: Path) -> None:
    listed = [
        {"QuotaCode": "L-D4BA6F6E", "QuotaName": "Concurrent active chats per instance", "Value": 500.0},
        {"QuotaCode": "L-1", "QuotaName": "Rate of SendChatIntegrationEvent API requests", "Value": 17.0},
    ]
    found = {
        one.about: one
        for one in asked(preflight(tmp_path, Account(list_service_quotas={"Quotas": listed})), "quota names")
    }
    assert found["active chats"].finding == '"Concurrent active chats per instance" is 500'
    assert found["SendChatIntegrationEvent"].state == State.OK
    assert found["StartChatContact"].state == State.WARN
    assert of_quota("x", None, "none").state == State.WARN
