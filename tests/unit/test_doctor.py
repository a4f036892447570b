"""What the checks of `bridge doctor` make of what they are told, and how they are made one after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.config import Number, load
from ops.cli import run
from ops.doctor.command import CHECKS
from ops.doctor.contact_centre import (
    CHECKS as OF_CONNECT,
)
from ops.doctor.contact_centre import (
    of_access,
    of_flow,
    of_import,
    of_instance,
    of_open_chats,
    of_streaming,
)
from ops.doctor.findings import Check, Finding, State, examine, fail, ok
from ops.doctor.policies import of_key, of_policy, of_simulation
from ops.doctor.preflight import DeniedError, Identity, Imported, Preflight, UnmetError
from ops.doctor.quotas import of_chats, of_rate, of_reserved, of_spending, of_tier, of_unreserved
from ops.doctor.stack import (
    of_event_source,
    of_function,
    of_listeners,
    of_place,
    of_status,
    of_subscription,
    stack,
)
from ops.doctor.template import UnresolvedError, resolve
from ops.output import Output
from ops.target import Target

NUMBERS = """
[[numbers]]
number = "+12125550101"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""


def preflight() -> Preflight:
    target = Target(where="stack S in us-east-1", outputs={}, session=None, stack="S", region="us-east-1")
    return Preflight(target=target, config_path=Path("bridge.toml"))


def made(*checks: Check) -> list[Finding]:
    return list(examine(checks, preflight()))


# --- one after another ------------------------------------------------------------------------------------


def test_a_check_whose_call_is_denied_says_which_permission_is_missing_and_stops_no_other() -> None:
    def denied(_: Preflight) -> Iterator[Finding]:
        yield ok("one thing")
        raise DeniedError("sns:GetTopicAttributes")

    found = made(Check("first", denied), Check("second", lambda _: [ok("well")]))
    assert [(finding.check, finding.state) for finding in found] == [
        ("first", State.OK),
        ("first", State.CANNOT_TELL),
        ("second", State.OK),
    ]
    assert found[1].remedy == "needs the permission sns:GetTopicAttributes"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (ClientError({"Error": {"Code": "InternalError"}}, "DescribeKey"), "DescribeKey answers InternalError"),
        (EndpointConnectionError(endpoint_url="https://kms.us-east-1.amazonaws.com/"), "no answer: Could not connect"),
    ],
)
def test_what_is_not_answered_cannot_be_told(trouble: Exception, said: str) -> None:
    def unanswered(_: Preflight) -> Iterator[Finding]:
        raise trouble

    (found,) = made(Check("key", unanswered))
    assert found.state == State.CANNOT_TELL
    assert said in found.finding


def test_what_needs_an_earlier_finding_is_left_out_by_name() -> None:
    def needs_the_stack(preflight: Preflight) -> Iterator[Finding]:
        yield ok(preflight.outputs["InboundTopicArn"])

    found = made(Check("topic", needs_the_stack), Check("stack", lambda _: [fail("no stack", "deploy it")]))
    assert [(one.check, one.state) for one in found] == [("stack", State.FAIL), ("topic", State.LEFT_OUT)]


def test_a_call_that_is_denied_is_named_as_iam_names_it() -> None:
    class Client:
        class meta:  # noqa: N801
            class service_model:  # noqa: N801
                signing_name = "monitoring"

        def get_metric_data(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")

    here = preflight()
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here._clients["cloudwatch"] = Client()
    with pytest.raises(DeniedError, match=r"^cloudwatch:GetMetricData$"):
        here.ask("cloudwatch", "get_metric_data")


def test_nothing_is_known_before_it_was_found() -> None:
    for name in ("config", "identity", "outputs", "resources", "phone_numbers"):
        with pytest.raises(UnmetError):
            getattr(preflight(), name)


def test_a_finding_is_one_line_with_what_to_do_below_and_a_command_that_can_be_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "aws sns get-topic-attributes --topic-arn arn:aws:sns:us-east-1:111122223333:t"
    Output().entry({}, mark="fail", text="a short text", below="look", command=long)
    Output().entry({}, mark="cannot tell", text="a text that is longer than one line", below="look", command="here")
    assert capsys.readouterr().out.splitlines() == [
        "fail         a short text",
        "             look:",
        f"             {long}",
        "cannot tell  a text that is longer than",
        "             one line",
        "             look: here",
    ]


# --- credentials, stack, functions ------------------------------------------------------------------------


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
    ("answer", "state"),
    [
        (None, State.FAIL),
        ({"State": "Failed", "StateReason": "The KMS key is disabled"}, State.FAIL),
        ({"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "x"}, State.FAIL),
        ({"State": "Pending"}, State.WARN),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, State.WARN),
        ({"State": "Inactive"}, None),
        ({"State": "Active", "LastUpdateStatus": "Successful"}, None),
    ],
)
def test_a_function_must_be_one_that_can_be_called(answer: Mapping[str, Any] | None, state: State | None) -> None:
    found = of_function("f", answer, restore="deploy")
    assert (found and found.state) == state


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
    found = of_subscription("t", EXPECTED, live, restore="deploy")
    assert said in found.finding if said else found is None  # type: ignore[union-attr]


def test_a_subscription_must_filter_and_wrap_as_deployed() -> None:
    sound = {"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:undelivered"}'}
    filtered = of_subscription("t", EXPECTED, sound | {"FilterPolicy": '{"Type": ["EVENT"]}'}, restore="deploy")
    assert filtered and "filters otherwise" in filtered.finding
    raw = of_subscription("t", EXPECTED, sound | {"RawMessageDelivery": "true"}, restore="deploy")
    assert raw and "raw messages" in raw.finding


# --- policies ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    kind: str
    physical_id: str


@dataclass(frozen=True)
class Stack:
    resources: Mapping[str, Piece] = field(
        default_factory=lambda: {
            "Topic": Piece("SNS::Topic", "arn:aws:sns:us-east-1:111122223333:t"),
            "Queue": Piece("SQS::Queue", "https://sqs.us-east-1.amazonaws.com/111122223333/q.fifo"),
            "Role": Piece("IAM::Role", "S-Role-1A2B"),
        }
    )
    pseudo: Mapping[str, str] = field(
        default_factory=lambda: {
            "AWS::Partition": "aws",
            "AWS::Region": "us-east-1",
            "AWS::AccountId": "111122223333",
        }
    )


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Topic"}, "arn:aws:sns:us-east-1:111122223333:t"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:aws:sqs:us-east-1:111122223333:q.fifo"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "arn:aws:iam::111122223333:role/S-Role-1A2B"),
        ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":x"]]}, "arn:aws:x"),
        ({"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}, "logs.us-east-1.amazonaws.com"),
        ({"A": [{"Ref": "AWS::Region"}], "B": 1}, {"A": ["us-east-1"], "B": 1}),
    ],
)
def test_the_templates_references_lead_to_what_stands(value: Any, resolved: Any) -> None:
    assert resolve(value, Stack()) == resolved


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nothing"},
        {"Fn::GetAtt": ["Role", "RoleId"]},
        {"Fn::GetAtt": ["Nothing", "Arn"]},
        {"Fn::If": ["a", 1, 2]},
    ],
)
def test_a_reference_that_is_not_understood_is_no_policy_that_differs(value: Any) -> None:
    with pytest.raises(UnresolvedError):
        resolve(value, Stack())


def statement(**more: Any) -> dict[str, Any]:
    return {
        "Sid": "SnsTo",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:*"}},
    } | more


def policy(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def test_a_policy_that_says_the_same_in_other_words_is_as_deployed() -> None:
    deployed = statement(Principal="*")
    stands = statement(
        Principal={"AWS": "*"},
        Action=["kms:GenerateDataKey*", "KMS:Decrypt"],
        Resource=["*"],
        Sid="",
        Condition={"ArnLike": {"AWS:SourceArn": ["arn:aws:sns:us-east-1:111122223333:*"]}},
    )
    assert list(of_policy("key", policy(deployed), policy(stands), restore="deploy")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Principal": {"Service": "sqs.amazonaws.com"}},
        {"Action": ["kms:Decrypt"]},
        {"Resource": "arn:aws:kms:us-east-1:111122223333:key/k"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:*"}}},
        {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:*"}}},
        {"Condition": {}},
    ],
)
def test_a_statement_that_says_anything_else_is_told_by_its_name(change: dict[str, Any]) -> None:
    (found,) = of_policy("key", policy(statement()), policy(statement(**change)), restore="deploy")
    assert (found.state, found.command) == (State.FAIL, "deploy")
    assert found.finding == "says otherwise than deployed: SnsTo"


def test_a_statement_that_was_taken_out_is_told_by_its_name() -> None:
    (found,) = of_policy("key", policy(statement()), policy(), restore="deploy")
    assert (found.state, found.finding) == (State.FAIL, "no longer says: SnsTo")


def test_what_was_added_is_a_warning_where_it_allows_and_a_failure_where_it_denies() -> None:
    more = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}
    (allowed,) = of_policy("t", policy(), policy(more), restore="deploy")
    assert (allowed.state, allowed.finding) == (State.WARN, "allows what was not deployed: Allow sns:Publish")
    (denied,) = of_policy("t", policy(), policy(more | {"Effect": "Deny"}), restore="deploy")
    assert (denied.state, denied.finding) == (State.FAIL, "denies what was not deployed: Deny sns:Publish")


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "gone", "Unavailable"])
def test_a_key_must_be_enabled(state: str) -> None:
    found = of_key("k", state)
    assert found and found.state == State.FAIL and state in found.finding
    assert of_key("k", "Enabled") is None


def test_a_role_that_an_organization_holds_back_is_told_apart() -> None:
    own = {"EvalDecision": "implicitDeny"}
    above = {"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
    assert of_simulation("r", "sns:Publish", [{"EvalDecision": "allowed"}]) is None
    by_itself, by_organization = (of_simulation("r", "sns:Publish", [one]) for one in (own, above))
    assert by_itself and "implicitDeny" in by_itself.finding
    assert by_organization and "organization" in by_organization.finding


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def _nobodys_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "DEFAULT_PROFILE", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("_nobodys_aws")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no AWS Region; set AWS_DEFAULT_REGION"),
        (["--region", "us-east-1"], "no AWS credentials; set AWS_PROFILE"),
    ],
)
def test_without_credentials_or_region_the_second_line_says_so(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(NUMBERS)
    assert run(["doctor", "--stack", "SmsToConnect", "--config", str(config), *arguments]) == 1
    sound, failed, below, *rest = capsys.readouterr().out.splitlines()
    assert sound.startswith("ok           bridge.toml:")
    finding, remedy = said.split("; ")
    assert failed.startswith(f"fail         credentials: {finding}")
    assert below.strip().startswith(remedy)
    assert rest[0].startswith("left out     stack, configuration, functions,")


@pytest.mark.usefixtures("_nobodys_aws")
def test_every_mistake_of_the_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[[numbers]]\nnumber = "12"\narn = "x"\n')
    assert run(["doctor", "--stack", "S", "--region", "us-east-1", "--config", str(bad)]) == 1
    shown = capsys.readouterr().out
    assert shown.count("fail         bridge.toml: line") == 2


def test_the_docs_name_every_check() -> None:
    docs = (Path(__file__).parents[2] / "docs/commands.md").read_text(encoding="utf-8")
    section = docs[docs.index("### `bridge doctor`") : docs.index("### `bridge numbers`")]
    rows = section[section.index("| check |") :].splitlines()[2:]
    named = [name for row in rows if row for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert named == [check.name for check in CHECKS]


# --- contact centre ---------------------------------------------------------------------------------------


INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
TOPIC = "arn:aws:sns:us-east-1:111122223333:agents"


def number() -> Number:
    return Number.model_validate({"number": "+12125550101", "arn": NUMBERS.split('"')[3]})


@pytest.mark.parametrize(
    ("status", "flow_id", "state"),
    [
        ("CLAIMED", "f", State.OK),
        ("CLAIMED", None, State.FAIL),
        ("FAILED", "f", State.FAIL),
        ("IN_PROGRESS", None, State.WARN),
    ],
)
def test_an_import_is_done_once_it_has_a_flow(status: str, flow_id: str | None, state: State) -> None:
    imported = Imported(instance_id="i", instance_arn=INSTANCE, status=status, message="", flow_id=flow_id)
    assert of_import(number(), imported).state == state
    assert of_import(number(), None).state == State.FAIL


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, State.OK),
        ({"Status": "SAVED"}, State.FAIL),
        ({"Type": "CUSTOMER_QUEUE"}, State.FAIL),
        ({"State": "ARCHIVED"}, State.FAIL),
    ],
)
def test_chats_start_only_with_a_published_inbound_flow(change: dict[str, str], state: State) -> None:
    flow = {"Name": "Texts", "Type": "CONTACT_FLOW", "State": "ACTIVE", "Status": "PUBLISHED"} | change
    assert of_flow("i", "f", flow).state == state
    assert of_flow("i", "f", None).state == State.FAIL
    assert of_instance("i", {"InstanceStatus": "CREATION_IN_PROGRESS"}).state == State.FAIL


def admits(source: Any, **more: Any) -> dict[str, str]:
    condition = {"Condition": {"ArnEquals": {"AWS:SourceArn": source}}} if source else {}
    said = {"Effect": "Allow", "Principal": {"Service": "connect.amazonaws.com"}, "Action": "SNS:Publish"} | condition
    return {"Policy": json.dumps({"Statement": [said | more]})}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (admits(INSTANCE), "admits instance"),
        (admits([INSTANCE, f"{INSTANCE}-other"]), "admits instance"),
        (admits(None), "admits instance"),
        (admits(f"{INSTANCE}/*"), "its condition is not the bare ARN"),
        (admits(INSTANCE.replace("1234", "9999")), f"does not admit {INSTANCE}"),
        (admits(INSTANCE, Effect="Deny"), f"does not admit {INSTANCE}"),
        (admits(INSTANCE, Principal={"Service": "sns.amazonaws.com"}), f"does not admit {INSTANCE}"),
        (admits(INSTANCE, Action="sns:Subscribe"), f"does not admit {INSTANCE}"),
        ({}, f"does not admit {INSTANCE}"),
        (admits(INSTANCE) | {"KmsMasterKeyId": "alias/aws/sns"}, "AWS's own key, which Connect may not use"),
        (None, "there is no such topic"),
    ],
)
def test_a_streaming_topic_admits_that_very_instance(attributes: dict[str, str] | None, said: str) -> None:
    found = of_streaming(TOPIC, INSTANCE, attributes)
    assert said in found.finding
    assert found.state == (State.OK if said == "admits instance" else State.FAIL)


@pytest.mark.parametrize(
    ("said", "imported", "allowed", "state"),
    [
        ("taken", True, True, State.OK),
        ("opened", True, True, State.WARN),
        ("ResourceNotFoundException", True, True, State.OK),
        ("ResourceNotFoundException", False, True, State.CANNOT_TELL),
        ("ResourceNotFoundException", None, True, State.CANNOT_TELL),
        ("AccessDeniedException", True, True, State.FAIL),
        ("AccessDeniedException", True, False, State.CANNOT_TELL),
        ("AccessDeniedException", True, None, State.CANNOT_TELL),
        ("InvalidRequestException", True, True, State.CANNOT_TELL),
        ("ThrottlingException", True, True, State.CANNOT_TELL),
        ("InternalServiceException", True, True, State.CANNOT_TELL),
        ("SomethingNobodyDocumented", True, True, State.CANNOT_TELL),
    ],
)
def test_access_is_told_only_where_the_answer_decides(
    said: str, imported: bool | None, allowed: bool | None, state: State
) -> None:
    found = of_access(said, imported=imported, allowed=allowed, deploy="npx cdk deploy")
    assert found.state == state
    if state == State.FAIL:
        assert 'delivery = "start-chat"' in found.remedy


# --- quotas and alarms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "state"),
    [(None, State.CANNOT_TELL), (79, State.OK), (80, State.WARN), (99, State.WARN), (100, State.FAIL)],
)
def test_active_chats_are_measured_by_their_share_of_the_quota(share: float | None, state: State) -> None:
    assert of_chats(INSTANCE, share, share and 5 * share).state == state


@pytest.mark.parametrize(("quota", "state"), [(None, State.CANNOT_TELL), (13, State.WARN), (14, State.OK)])
def test_the_bridge_calls_no_faster_than_the_quota(quota: float | None, state: State) -> None:
    assert of_rate(14, quota).state == state


@pytest.mark.parametrize(
    ("limit", "spent", "state"),
    [
        (None, None, State.CANNOT_TELL),
        (100, None, State.OK),
        (100, 79.9, State.OK),
        (100, 80, State.WARN),
        (100, 100, State.FAIL),
        (0, None, State.FAIL),
        (1, 0, State.WARN),
    ],
)
def test_what_may_be_spent_is_compared_with_what_is(limit: float | None, spent: float | None, state: State) -> None:
    assert of_spending(limit, spent).state == state


def test_an_account_in_the_sms_sandbox_is_told() -> None:
    states = [of_tier(name).state for name in ("PRODUCTION", "SANDBOX", "")]
    assert states == [State.OK, State.WARN, State.CANNOT_TELL]


def test_functions_must_have_room_to_run() -> None:
    assert [finding.about for finding in of_reserved({"a": 0, "b": None, "c": 5})] == ["a"]
    assert of_unreserved(9, needed=8) is None
    few = of_unreserved(8, needed=8)
    assert few and few.state == State.WARN


def test_somebody_must_be_told_of_alarms() -> None:
    assert of_listeners([]).state == State.WARN
    assert of_listeners(["PendingConfirmation"]).state == State.WARN
    assert of_listeners(["PendingConfirmation", "arn:aws:sns:us-east-1:111122223333:t:1"]).state == State.OK


# --- leaving start-chat delivery --------------------------------------------------------------------------

INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize(
    ("count", "gone", "path_stays", "state", "said"),
    [
        (0, [], True, State.OK, "none of those that the bridge started is open: instance_arn can go"),
        (0, [INSTANCE], False, State.OK, "none of those that the bridge started is open: the reply path can go"),
        (2, [], True, State.OK, "2 that the bridge started are open: replies reach phones while"),
        (1, [INSTANCE], False, State.FAIL, "1 that the bridge started is open, and bridge.toml no longer names"),
        (3, [INSTANCE], True, State.WARN, "3 that the bridge started are open, and bridge.toml no longer names"),
    ],
)
def test_open_chats_that_would_lose_replies_are_told_before_the_deploy(
    count: int, gone: list[str], path_stays: bool, state: State, said: str
) -> None:
    found = of_open_chats(count, all_of_them=True, gone=gone, path_stays=path_stays)
    assert (found.state, found.finding[: len(said)]) == (state, said)
    assert (f'instance_arn = "{INSTANCE}"' in found.remedy) == (state is not State.OK)


@dataclass
class Tables:
    """DynamoDB's Scan and SNS's attributes of a stack; each page has one open chat."""

    pages: int
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def scan(self, **request: Any) -> Mapping[str, Any]:
        self.asked.append(request)
        more = {"LastEvaluatedKey": {"chat_key": {"S": "x"}}} if len(self.asked) < self.pages else {}
        return {"Count": 1, **more}

    def get_topic_attributes(self, **_: Any) -> Mapping[str, Any]:
        condition = {"ArnEquals": {"aws:SourceArn": [INSTANCE]}}
        admits = {"Effect": "Allow", "Principal": {"Service": "connect.amazonaws.com"}, "Action": "sns:Publish"}
        return {"Attributes": {"Policy": json.dumps({"Statement": [{**admits, "Condition": condition}]})}}


@pytest.mark.parametrize(
    ("settings", "pages", "found"),
    [
        ("", 3, [(State.FAIL, "3 that")]),
        ("", 1000, [(State.FAIL, "20 or more that")]),
        (f'instance_arn = "{INSTANCE}"\n', 3, [(State.OK, "3 that")]),
        (f'instance_arn = "{INSTANCE[:-1]}3"\n', 3, [(State.WARN, "3 that")]),
        (
            f'instance_arn = "{INSTANCE}"\ncontact_flow_id = "{INSTANCE[-36:]}"\ndelivery = "start-chat"\n',
            *(3, []),
        ),
    ],
)
def test_open_chats_are_counted_where_their_instance_is_no_longer_used(
    settings: str, pages: int, found: list[tuple[State, str]], tmp_path: Path
) -> None:
    (tmp_path / "bridge.toml").write_text(NUMBERS + settings)
    here, aws = preflight(), Tables(pages)
    here.config = load(tmp_path / "bridge.toml")
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here.outputs = {"StreamingTopicArn": "arn:aws:sns:us-east-1:111122223333:t", "ChatsTableName": "chats"}
    here._clients |= {"dynamodb": aws, "sns": aws}
    (check,) = (one for one in OF_CONNECT if one.name == "open chats")
    said = [(one.state, " ".join(one.finding.split()[:-1])) for one in examine([check], here)]
    assert [(state, text[: len(start)]) for (state, text), (_, start) in zip(said, found, strict=True)] == found


def test_a_stack_that_never_started_chats_is_not_asked_for_open_ones() -> None:
    here = preflight()
    here.outputs = {}
    here.config = load(Path(__file__).parents[2] / "docs/bridge.toml")
    (check,) = (one for one in OF_CONNECT if one.name == "open chats")
    assert list(examine([check], here)) == []
