"""The checks of Amazon Connect: imports, flows, the streaming topic, open chats and access."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.config import Number, load
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
from ops.doctor.findings import State, examine
from ops.doctor.preflight import Identity, Imported
from testing.preflight import NUMBERS, preflight

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
    assert of_flow("i", flow).state == state
    assert of_flow("i", None).state == State.FAIL
    assert of_instance({"InstanceStatus": "CREATION_IN_PROGRESS"}).state == State.FAIL


def policy_for(source: Any, **more: Any) -> dict[str, str]:
    condition = {"Condition": {"ArnEquals": {"AWS:SourceArn": source}}} if source else {}
    said = {"Effect": "Allow", "Principal": {"Service": "connect.amazonaws.com"}, "Action": "SNS:Publish"} | condition
    return {"Policy": json.dumps({"Statement": [said | more]})}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (policy_for(INSTANCE), "admits instance"),
        (policy_for([INSTANCE, f"{INSTANCE}-other"]), "admits instance"),
        (policy_for(None), "admits instance"),
        (policy_for(f"{INSTANCE}/*"), "its condition is not the bare ARN"),
        (policy_for(INSTANCE.replace("1234", "9999")), f"does not admit {INSTANCE}"),
        (policy_for(INSTANCE, Effect="Deny"), f"does not admit {INSTANCE}"),
        (policy_for(INSTANCE, Principal={"Service": "sns.amazonaws.com"}), f"does not admit {INSTANCE}"),
        (policy_for(INSTANCE, Action="sns:Subscribe"), f"does not admit {INSTANCE}"),
        ({}, f"does not admit {INSTANCE}"),
        (policy_for(INSTANCE) | {"KmsMasterKeyId": "alias/aws/sns"}, "AWS's own key, which Connect may not use"),
        (None, "there is no such topic"),
    ],
)
def test_a_streaming_topic_admits_that_very_instance(attributes: dict[str, str] | None, said: str) -> None:
    found = of_streaming(INSTANCE, attributes)
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

    def get_paginator(self, operation: str) -> Any:
        assert operation == "scan"
        return self

    def paginate(self, **_: Any) -> Iterator[Mapping[str, Any]]:
        more = {"LastEvaluatedKey": {"chat_key": {"S": "x"}}}
        yield from ({"Count": 1, **(more if number < self.pages else {})} for number in range(1, self.pages + 1))

    def get_topic_attributes(self, **_: Any) -> Mapping[str, Any]:
        condition = {"ArnEquals": {"aws:SourceArn": [INSTANCE]}}
        allows = {"Effect": "Allow", "Principal": {"Service": "connect.amazonaws.com"}, "Action": "sns:Publish"}
        return {"Attributes": {"Policy": json.dumps({"Statement": [{**allows, "Condition": condition}]})}}


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
    here.config = load(Path(__file__).parents[4] / "docs/bridge.toml")
    (check,) = (one for one in OF_CONNECT if one.name == "open chats")
    assert list(examine([check], here)) == []
