"""bridge replay's decisions: which files, which ids, and what became of each notification."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops.ledger import LedgerRecord
from ops.replay.command import outcomes_table
from ops.replay.outcomes import Result, Sent, decide, undelivered_reasons
from ops.replay.samples import SampleError, addressed, fresh_ids, publish_attributes, read
from testing.account import Account, Request
from testing.builders import CUSTOMER, payload

EVENTS = Path(__file__).parents[3] / "events"


def record(message: object, message_id: str = "m-1", **sns: Any) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"EventSource": "aws:sns", "Sns": {"MessageId": message_id, "Message": text, **sns}}


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Records": records}))
    return path


def ids() -> Iterator[str]:
    return (f"fresh-{number}" for number in range(1, 1000))


# --- which files


def test_a_folder_is_taken_in_the_order_of_names_and_undelivered_is_left_out(tmp_path: Path) -> None:
    for name in ("b/hello-again", "b/hello", "a/z", "undelivered/x"):
        write(tmp_path / f"{name}.json", record("{}"))
    (tmp_path / "README.md").write_text("no event")
    assert [file.name for file in read([tmp_path])] == [
        str(tmp_path / f"{name}.json") for name in ("a/z", "b/hello", "b/hello-again")
    ]


def test_files_are_taken_as_often_and_in_the_order_they_are_named(tmp_path: Path) -> None:
    first, second = write(tmp_path / "b.json", record("{}")), write(tmp_path / "a.json", record("{}"))
    assert [file.name for file in read([first, second, first])] == [str(first), str(second), str(first)]


def test_what_undelivered_holds_is_unwrapped_when_it_is_named() -> None:
    by_lambda, by_sns = read([EVENTS / "undelivered"])
    for file, said in ((by_lambda, "Intake crashed"), (by_sns, "SNS could not")):
        (sample,) = file.samples
        assert said in sample.message
        (sns,) = [one["Sns"] for one in file.event["Records"]]
        assert sns["MessageId"] == sample.message_id
        assert {"SigningCertUrl", "UnsubscribeUrl", "Subject", "MessageAttributes"} <= sns.keys()
        (unwrapped,) = file.event["Records"]
        assert unwrapped.keys() == {"EventSource", "EventVersion", "EventSubscriptionArn", "Sns"}
        assert (unwrapped["EventSource"], unwrapped["EventVersion"]) == ("aws:sns", "1.0")
        assert unwrapped["EventSubscriptionArn"].startswith(sns["TopicArn"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no records"),
        ("{}", "holds no records"),
        ('{"Records": []}', "holds no records"),
        ('{"Records": [{"Sns": {"MessageId": "a", "Message": "b"}}, {"body": "x"}]}', "record 2"),
        ('{"Records": [{"Sns": {"MessageId": "a", "Message": {}}}]}', "no Message"),
        ('{"Records": [{"Sns": {"MessageId": "a", "Message": "b", "MessageAttributes": {"c": 1}}}]}', "Attributes"),
        ('{"requestPayload": {}}', "holds no records"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_another_file_is_one_clear_line(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(content)
    with pytest.raises(SampleError) as caught:
        read([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_an_empty_folder_are_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(SampleError, match=str(path)):
            read([path])


def test_every_sample_event_can_be_read() -> None:
    assert {path.relative_to(EVENTS).parts[0] for path in EVENTS.rglob("*.json")} == {
        *("forwarded", "ignored", "duplicate", "failed", "undelivered")
    }
    for file in (*read([EVENTS]), *read([EVENTS / "undelivered"])):
        assert file.samples


# --- which ids


def test_equal_ids_stay_equal_within_a_file_and_differ_between_files(tmp_path: Path) -> None:
    sms = {"inboundMessageId": "a", "messageBody": "é"}
    write(tmp_path / "1.json", record(sms), record(sms, "m-2"), record(sms | {"inboundMessageId": "b"}))
    write(tmp_path / "2.json", record(sms))
    one, two = fresh_ids(read([tmp_path]), ids().__next__)
    first, again, other = (sample.inbound_message_id for sample in one.samples)
    assert first == again
    assert len({first, other, two.samples[0].inbound_message_id}) == 3
    assert json.loads(one.samples[0].message) == sms | {"inboundMessageId": first}


@pytest.mark.parametrize(
    "message",
    ["not JSON", "[1]", "{}", '{"inboundMessageId": null}', '{"inboundMessageId": ""}', '{"inboundMessageId": 7}'],
)
def test_a_message_without_an_id_stays_as_it_is(message: str, tmp_path: Path) -> None:
    (file,) = fresh_ids(read([write(tmp_path / "a.json", record(message))]))
    assert file.samples[0].message == message
    assert file.samples[0].inbound_message_id is None


def test_half_an_emoji_can_be_published(tmp_path: Path) -> None:
    sms = '{"inboundMessageId": "a", "messageBody": "\\ud83d"}'
    (file,) = fresh_ids(read([write(tmp_path / "a.json", record(sms))]))
    assert json.loads(file.samples[0].message)["messageBody"] == "\ud83d"
    assert file.samples[0].message.encode()


def test_the_event_for_a_direct_replay_is_unchanged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", record({"inboundMessageId": "a"}, Timestamp="2026-10-05T14:00:00.000Z"))
    (file,) = fresh_ids(read([path]))
    assert file.event == json.loads(path.read_text())


def test_message_attributes_are_published_as_they_came() -> None:
    assert publish_attributes({"a": {"Type": "String", "Value": "x"}, "b": {"Type": "Binary", "Value": "aGk="}}) == {
        "a": {"DataType": "String", "StringValue": "x"},
        "b": {"DataType": "Binary", "BinaryValue": b"hi"},
    }


# --- what became of each


def test_a_sample_can_be_sent_to_and_from_other_numbers(tmp_path: Path) -> None:
    write(tmp_path / "a.json", record({"originationNumber": "+14255550182", "messageBody": "hi"}))
    write(tmp_path / "b.json", record("no JSON"))
    one, other = addressed(read([tmp_path]), to="+12125550109", sender="+14255550109")
    assert json.loads(one.samples[0].message) == {
        "originationNumber": "+14255550109",
        "destinationNumber": "+12125550109",
        "messageBody": "hi",
    }
    assert other.samples[0].message == "no JSON"
    assert addressed(read([tmp_path]), to=None, sender=None) == list(read([tmp_path]))


def sent(message_id: str = "m-1", key: str = "a") -> Sent:
    return Sent(file="f.json", inbound_message_id=key, text_key=key, message_id=message_id, at=1000.0)


def known(outcome: str = "forwarded", message_id: str | None = "m-1", **values: Any) -> LedgerRecord:
    values = {"done_at": None if outcome == "pending" else datetime.fromtimestamp(1001.5, UTC)} | values
    return LedgerRecord(text_key="a", outcome=outcome, sns_message_id=message_id, **values)


def outcomes(
    *notifications: Sent,
    records: dict[str, LedgerRecord] | None = None,
    before: dict[str, LedgerRecord] | None = None,
    undelivered: dict[str, str] | None = None,
    settled: bool = False,
) -> list[Result]:
    return decide(
        notifications, records=records or {}, before=before or {}, undelivered=undelivered or {}, settled=settled
    )


def test_what_the_ledger_does_not_know_yet_is_waited_for() -> None:
    (result,) = outcomes(sent())
    assert (result.outcome, result.reason) == ("waiting", "the ledger does not know it yet")


@pytest.mark.parametrize("outcome", ["forwarded", "failed", "ignored"])
def test_the_ledger_s_outcome_is_the_outcome(outcome: str) -> None:
    sent_at = datetime.fromtimestamp(1000.5, UTC)
    record = known(outcome, reason="because", contact="c", new_chat=True, parts=2, sent_at=sent_at)
    (result,) = outcomes(sent(), records={"a": record})
    assert result.row() == {
        "file": "f.json",
        "inboundMessageId": "a",
        "outcome": outcome,
        "reason": "because",
        "initialContactId": "c",
        "newChat": True,
        "parts": 2,
        "ms": 1000,
    }


def test_a_text_that_is_held_up_is_waited_for_with_its_last_reason() -> None:
    (result,) = outcomes(sent(), records={"a": known("pending", reason="Connect is busy")})
    assert (result.outcome, result.reason, result.ms) == ("waiting", "Connect is busy", None)


def test_of_two_with_one_key_the_one_that_the_ledger_knows_has_the_outcome() -> None:
    for message_id, expected in (("m-1", ["forwarded", "duplicate"]), ("m-2", ["duplicate", "forwarded"])):
        results = outcomes(sent("m-1"), sent("m-2"), records={"a": known(message_id=message_id)})
        assert [result.outcome for result in results] == expected


def test_a_delivery_repeated_with_its_message_id_is_a_duplicate() -> None:
    results = outcomes(sent("m-1"), sent("m-1"), records={"a": known()})
    assert [result.outcome for result in results] == ["forwarded", "duplicate"]


def test_a_second_delivery_waits_as_long_as_the_first() -> None:
    results = outcomes(sent("m-1"), sent("m-2"), records={"a": known("pending", reason="Connect is busy")})
    assert [result.outcome for result in results] == ["waiting", "waiting"]


def test_what_was_forwarded_before_this_replay_makes_a_duplicate_at_once() -> None:
    (result,) = outcomes(sent("m-2"), records={"a": known()}, before={"a": known()})
    assert (result.outcome, result.reason) == ("duplicate", "the same inboundMessageId was forwarded before")


def test_what_failed_before_this_replay_may_yet_be_tried_again() -> None:
    failed = {"a": known("failed")}
    assert outcomes(sent("m-2"), records=failed, before=failed)[0].outcome == "waiting"
    assert outcomes(sent("m-2"), records=failed, before=failed, settled=True)[0].outcome == "duplicate"
    tried_again = {"a": known("forwarded", "m-2", done_at=datetime.fromtimestamp(1002, UTC))}
    assert outcomes(sent("m-2"), records=tried_again, before=failed)[0].outcome == "forwarded"


def test_what_is_on_undelivered_is_undelivered_with_its_reason() -> None:
    (result,) = outcomes(sent(), undelivered={"m-1": "intake could not take it"})
    assert (result.outcome, result.reason) == ("undelivered", "intake could not take it")


def test_both_shapes_on_undelivered_name_the_message_and_the_reason() -> None:
    by_lambda, by_sns = (
        undelivered_reasons((EVENTS / f"undelivered/{name}.json").read_text(), {"ErrorMessage": "no such function"})
        for name in ("lambda-envelope", "sns-envelope")
    )
    assert list(by_lambda.values()) == ["intake could not take it: the conversations queue did not take the text"]
    assert list(by_sns.values()) == ["SNS could not hand it to intake: no such function"]
    assert len(by_lambda.keys() | by_sns.keys()) == 2


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"requestPayload": 1}', '{"requestPayload": {"Records": [1, {"Sns": 2}]}}', "[" * 100_000],
)
def test_whatever_else_is_on_undelivered_is_passed_over(body: str) -> None:
    assert undelivered_reasons(body, {}) == {}


def test_a_record_is_read_from_an_item_of_the_ledger() -> None:
    item = {
        "text_key": {"S": "a"},
        "outcome": {"S": "forwarded"},
        "sns_message_id": {"S": "m-1"},
        "contact": {"S": "c"},
        "new_chat": {"BOOL": True},
        "parts": {"N": "2"},
        "done_at": {"N": "1001500"},
    }
    assert LedgerRecord.from_item(item) == known(contact="c", new_chat=True, parts=2)
    assert LedgerRecord.from_item({"text_key": {"S": "a"}, "duplicates": {"N": "1"}}).outcome == "pending"


def test_the_table_fits_80_columns() -> None:
    shown = io.StringIO()
    long = Result(
        file=f"somewhere/events/{'long-' * 20}name.json",
        inbound_message_id="a",
        text_key="a",
        message_id="m",
        outcome="undelivered",
        reason="a reason that goes on and on " * 5,
        initial_contact_id="0138cc8a-d29b-4ab7-a580-8a4550be83df",
        new_chat=True,
        parts=12,
        ms=123456,
    )
    Console(file=shown, width=80).print(outcomes_table([long]))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "undelivered" in lines[1] and "0138cc8a new" in lines[1] and "123456" in lines[1]


def test_a_text_done_by_the_ledger_is_not_undelivered_with_its_event() -> None:
    (result,) = decide(
        [sent()], records={"a": known()}, before={}, undelivered={"m-1": "the other record failed"}, settled=True
    )
    assert result.outcome == "forwarded"


# --- in which order ---------------------------------------------------------------------------------------------


def test_a_text_is_published_after_the_one_before_it_is_in_the_ledger(account: Account, tmp_path: Path) -> None:
    """SNS keeps no order. Here intake takes a notification only after the ledger was read twice."""
    published, taken, reads = list[str](), list[str](), 0

    def publish(request: Request) -> Any:
        message = json.loads(request.parameters["Message"])
        if message["originationNumber"] == CUSTOMER:
            assert len(taken) == len(published), "the one before is not in the ledger"
            published.append(message["inboundMessageId"])
        return {"MessageId": f"sns-{message['inboundMessageId']}"}

    def read(request: Request) -> Any:
        nonlocal reads
        reads += 1
        if reads % 3 == 0 and len(taken) < len(published):
            taken.append(published[len(taken)])
        (table,) = request.parameters["RequestItems"]
        items = [{"text_key": {"S": key}, "outcome": {"S": "ignored"}, "done_at": {"N": "1"}} for key in taken]
        return {"Responses": {table: items}}

    account.always |= {"Publish": publish, "BatchGetItem": read}
    write(tmp_path / "a.json", *(record(payload(f"text {n}")) for n in range(3)))
    assert account.command("replay", str(tmp_path / "a.json"), "--stack", "SmsToConnect", "--json") == 0
    assert len(published) == 3
