"""Where the commands draw their lines: rates, times of hiding, hours back, quotas, and the numbers in remedies."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from bridge.processing.retry import max_receives
from infra.checks import findings
from infra.config import ConfigError, Limits, load
from ops.doctor import quotas
from ops.doctor.findings import State
from ops.doctor.preflight import Identity, Preflight
from ops.failed.redriving import Redrive, Redriven
from ops.failed.selection import Selection
from ops.target import Target
from testing.account import INSTANCE_ID, OURS_TOO, QUEUES, Account
from testing.builders import CUSTOMER, OTHER_CUSTOMER, OURS, payload, record
from testing.chat_events import CHAT, item
from testing.clock import FakeClock
from testing.ledger import TableLedger
from testing.models.fifo import Fifo
from testing.models.sqs import SqsClient
from testing.scenarios import batch, by_chat, open_chat, said

# --- redrive: how fast, and for how long hidden ---------------------------------------------------------------


class Sent:
    """SQS with a clock: `waves` are when how many were put back; each call takes `seconds`, the second wave `stall`."""

    def __init__(self, of: Any, clock: FakeClock, seconds: float, stall: float) -> None:
        self._of, self._clock, self._seconds, self._stall = of, clock, seconds, stall
        self.waves: list[tuple[float, int]] = []
        self.hidden: list[int] = []

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._clock.time += self._seconds
            if name == "send_message_batch":
                self.waves.append((self._clock.time, len(request["Entries"])))
                self._clock.time += self._stall if len(self.waves) == 2 else 0
            if name == "receive_message":
                self.hidden.append(request["VisibilityTimeout"])
            return getattr(self._of, name)(**request)

        return call


def redriven(
    rate: float | None, *, count: int, seconds: float = 0.0, stall: float = 0.0, groups: int = 1000
) -> tuple[Redriven, Sent]:
    """So many failed texts put back, of as many conversations as `groups` allows."""
    clock = FakeClock()
    clock.time = 1_800_000_000.0
    failed = Fifo(now=clock.now, visibility=30, name="failed")
    home = Fifo(now=clock.now, visibility=180, name="conversations")
    for number in range(count):
        body = json.dumps(
            record(payload(originationNumber=f"+1425555{number % groups:04}", inboundMessageId=f"t{number}"))
        )
        failed.send(body, group=f"g{number % groups}", deduplication_id=f"t{number}")
    sqs = Sent(SqsClient({"failed": failed, "conversations": home}), clock, seconds, stall)
    done = Redrive(
        sqs=sqs,
        outputs={"FailedQueueUrl": "failed", "ConversationsQueueUrl": "conversations"},
        notes=TableLedger().operators,
        selection=Selection(),
        rate=rate,
        clock=clock.as_clock(),
    ).run()
    assert len(home) == count, "each is put back, and once"
    return done, sqs


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.5, 7.0, 25.0])
def test_no_second_of_a_redrive_has_more_than_its_rate(rate: float) -> None:
    """One where the rate is below one, ten at most in one request."""
    _, sqs = redriven(rate, count=60 if rate > 1 else 8)
    at_once = max(1, min(10, int(rate)))
    assert {count for _, count in sqs.waves[:-1]} == {at_once}
    for (before, sent), (after, _) in zip(sqs.waves, sqs.waves[1:], strict=False):
        assert after - before == pytest.approx(sent / rate, abs=0.01)


def test_a_redrive_that_had_to_wait_does_not_catch_up_in_a_burst() -> None:
    """What a call that hung has missed is not made up for."""
    _, sqs = redriven(2.0, count=16, stall=9.0)
    gaps = [after - before for (before, _), (after, _) in zip(sqs.waves, sqs.waves[1:], strict=False)]
    assert gaps[1] == pytest.approx(9.0, abs=0.1)
    assert min(gaps) >= 0.99


def test_without_a_rate_ten_go_in_each_request_and_nothing_waits() -> None:
    _, sqs = redriven(None, count=40)
    assert [count for _, count in sqs.waves] == [10] * 4
    assert sqs.waves[-1][0] - sqs.waves[0][0] < 1


@pytest.mark.parametrize("rate", [0.1, 0.5, 3.0, 40.0, None])
def test_what_is_in_hand_is_put_back_before_it_would_be_seen_again(rate: float | None) -> None:
    """Else its receipt is void: it is put back and stays in failed."""
    count = 12 if rate and rate < 1 else 250
    done, sqs = redriven(rate, count=count)
    assert (done.put_back, done.undeleted) == (count, set())
    hidden = 30 + (0 if rate is None else max(10, int(10 / rate)))
    assert set(sqs.hidden) == {hidden}


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_conversation_in_hand_is_put_back_in_time_and_in_order_at_a_slow_rate(seconds: float) -> None:
    done, _ = redriven(0.5, count=12, groups=1, seconds=seconds)
    assert (done.put_back, done.undeleted) == (12, set())


# --- what reply-intake gave up --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "event", "home"),
    [
        ("reply_intake", lambda: batch(record("no JSON", TopicArn="arn:aws:sns:us-east-1:111122223333:x")), "replies"),
        ("reply", lambda: batch(said(item(..., Id="said-1", Content=7))), "replies"),
        ("intake", lambda: batch(record("no JSON")), "conversations"),
        ("forward", lambda: batch(by_chat(7)), "conversations"),
    ],
)
def test_what_a_function_gave_up_goes_back_to_the_queue_of_its_direction(
    account: Account, capsys: pytest.CaptureFixture[str], function: str, event: Any, home: str
) -> None:
    account.call(function, event())
    assert len(account.queues["failed"]) == 1
    assert account.command("failed", "redrive", "--stack", "SmsToConnect", "--json") == 0
    assert json.loads(capsys.readouterr().out)["put_back"] == 1
    assert {name: len(queue) for name, queue in account.queues.items() if len(queue)} == {home: 1}
    assert [request["QueueUrl"] for request in account.of("SendMessageBatch")] == [QUEUES[home]]
    assert account.problems == []


# --- trace: how far back, and in which order --------------------------------------------------------------------


@pytest.fixture
def deployed(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Whose functions' archive can be fetched."""
    account.always["GetFunction"] = {"Code": {"Location": "https://example.com/archive.zip"}}

    def get(_: httpx.Client, url: str) -> httpx.Response:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("bridge/config.json", json.dumps(account.config))
        return httpx.Response(200, content=archive.getvalue(), request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx.Client, "get", get)
    return account


def noted(account: Account, key: str, *, hours: float, conversation: str, **more: Any) -> None:
    """An item of the ledger that was first seen, and received, so many hours ago."""
    at = str(int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1000))
    account.tables["Ledger"].items[key] = {
        "text_key": {"S": key},
        "conversation": {"S": conversation},
        "outcome": {"S": "forwarded"},
        "first_seen_at": {"N": at},
        "received_at": {"N": at},
        **more,
    }


def conversation_of(account: Account, customer: str, ours: str) -> str:
    """The message group that intake gives a text."""
    account.call("intake", batch(record(payload(originationNumber=customer, destinationNumber=ours))))
    group = account.of("SendMessage")[-1]["MessageGroupId"]
    account.tables["Ledger"].items.clear()
    account.requests.clear()
    return str(group)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["d", "c", "b", "a"]),
        (("--hours", "5"), ["b", "a"]),
        (("--hours", "2.5"), ["a"]),
        (("--hours", "0.5"), []),
        (("--hours", "384"), ["e", "d", "c", "b", "a"]),
        (("--to", OURS), ["d", "b", "a"]),
    ],
)
def test_trace_shows_what_came_within_the_hours_the_oldest_first(
    deployed: Account, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], expected: list[str]
) -> None:
    one, two = (conversation_of(deployed, CUSTOMER, ours) for ours in (OURS, OURS_TOO))
    other = conversation_of(deployed, OTHER_CUSTOMER, OURS)
    for key, hours, conversation in (
        *(("a", 1, one), ("b", 3, one), ("c", 6, two), ("d", 23.9, one), ("e", 24.1, one)),
        ("x", 1, other),
    ):
        noted(deployed, key, hours=hours, conversation=conversation)
    code = deployed.command("trace", "--from", CUSTOMER, "--stack", "SmsToConnect", "--json", *options)
    shown = [json.loads(line)["text_key"] for line in capsys.readouterr().out.splitlines()]
    assert (shown, code) == (expected, 0 if expected else 1)


@pytest.mark.parametrize(("hours", "code"), [("0.01", 1), ("0.009", 2), ("384", 1), ("384.1", 2)])
def test_the_hours_that_trace_takes_are_those_that_the_ledger_keeps(
    deployed: Account, capsys: pytest.CaptureFixture[str], hours: str, code: int
) -> None:
    assert deployed.command("trace", "--from", CUSTOMER, "--stack", "S", "--hours", hours) == code
    if code == 2:
        end = "greater than or equal to 0.01" if hours == "0.009" else "less than or equal to 384"
        assert end in capsys.readouterr().err


def test_trace_shows_replies_of_the_latest_chat_and_of_those_that_texts_went_into(
    deployed: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    open_chat(deployed)  # the latest, with CHAT as its contact
    group = conversation_of(deployed, CUSTOMER, OURS_TOO)
    noted(deployed, "text", hours=3, conversation=group, contact={"S": "earlier"})
    noted(deployed, "reply-1", hours=2, conversation="earlier", stage={"S": "reply"})
    noted(deployed, "reply-2", hours=1, conversation=CHAT, stage={"S": "reply"})
    noted(deployed, "reply-3", hours=1, conversation="somebody-else", stage={"S": "reply"})
    assert deployed.command("trace", "--from", CUSTOMER, "--stack", "S", "--json") == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["text_key"], one["direction"]) for one in shown] == [
        ("text", "in"),
        ("reply-1", "out"),
        ("reply-2", "out"),
    ]


@pytest.mark.parametrize(
    ("option", "duration", "shown"),
    [("--older", "1h", ["old"]), ("--newer", "1h", ["new"]), ("--older", "3h", []), ("--newer", "3h", ["old", "new"])],
)
def test_failed_list_takes_what_failed_before_or_after_so_long_ago(
    account: Account, capsys: pytest.CaptureFixture[str], option: str, duration: str, shown: list[str]
) -> None:
    for key, hours in (("new", 0.9), ("old", 2)):
        at = datetime.now(UTC) - timedelta(hours=hours)
        noted(
            account, key, hours=hours, conversation="g", outcome={"S": "failed"},
            failed_on={"S": at.date().isoformat()}, failed_at={"N": str(int(at.timestamp() * 1000))},
        )  # fmt: skip
    assert account.command("failed", "list", option, duration, "--stack", "S", "--json") == 0
    assert [json.loads(line)["text_key"] for line in capsys.readouterr().out.splitlines()] == shown


# --- doctor: what it reads of the account -----------------------------------------------------------------------

ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
NUMBERS = f'[[numbers]]\nnumber = "{OURS}"\narn = "{ARN}"\n'
START_CHAT = f"""
[start_chat]
instance_arn = "arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE_ID}"
contact_flow_id = "abcdef01-1234-1234-1234-123456789012"
{NUMBERS}delivery = "start-chat"
"""


@pytest.fixture
def preflight(account: Account, tmp_path: Path) -> Preflight:
    target = Target(where="stack S", outputs={}, session=boto3.session.Session(), stack="S", region="us-east-1")
    here = Preflight(target=target, config_path=tmp_path / "bridge.toml")
    here.config_path.write_text(NUMBERS)
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here.config = load(here.config_path)
    return here


def points(*values: tuple[float, float]) -> Mapping[str, Any]:
    """CloudWatch's answer, which is in no order: minutes ago, and the value then."""
    now = datetime.now(UTC)
    return {"Datapoints": [{"Timestamp": now - timedelta(minutes=ago), "Maximum": value} for ago, value in values]}


def test_active_chats_are_those_of_the_last_five_minutes_that_cloudwatch_has(
    account: Account, preflight: Preflight
) -> None:
    preflight.config_path.write_text(START_CHAT)
    preflight.config = load(preflight.config_path)
    preflight.outputs = {}
    account.always |= {"GetTemplate": {"TemplateBody": {"Resources": {}}}, "ListStackResources": {}}
    account.planned["GetMetricStatistics"] = [points((5, 81), (10, 20), (50, 99)), points((10, 7), (5, 405))]
    (finding,) = quotas.active_chats(preflight)
    assert (finding.state, finding.finding) == (State.WARN, "405 at once, 81 % of the quota")
    share, count = account.of("GetMetricStatistics")
    assert (share["MetricName"], count["MetricName"]) == ("ConcurrentActiveChatsPercentage", "ConcurrentActiveChats")
    for asked in (share, count):
        assert asked["Namespace"] == "AWS/Connect"
        dimensions = {one["Name"]: one["Value"] for one in asked["Dimensions"]}
        assert dimensions == {"InstanceId": INSTANCE_ID, "MetricGroup": "Chats"}
        assert (asked["Period"], asked["Statistics"]) == (300, ["Maximum"])
        assert asked["EndTime"] - asked["StartTime"] == timedelta(hours=1)


def test_connects_rate_is_the_quota_of_chat_integration_events(account: Account, preflight: Preflight) -> None:
    account.planned["ListServiceQuotas"] = [
        {"Quotas": [{"QuotaName": "Rate of StartChatContact API requests", "Value": 5.0}], "NextToken": "more"},
        {"Quotas": [{"QuotaName": "Rate of SendChatIntegrationEvent API requests", "Value": 13.0}]},
    ]
    (finding,) = quotas.rate(preflight)
    assert finding.state == State.WARN and "14 a second, the quota 13" in finding.finding
    assert [asked["ServiceCode"] for asked in account.of("ListServiceQuotas")] == ["connect"] * 2
    assert account.of("ListServiceQuotas")[1]["NextToken"] == "more"


def test_what_is_spent_is_this_months_last_figure(account: Account, preflight: Preflight) -> None:
    account.always["DescribeSpendLimits"] = {
        "SpendLimits": [
            {"Name": "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 1, "Overridden": False},
            {"Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 100, "MaxLimit": 200, "Overridden": True},
        ]
    }
    account.always["GetMetricStatistics"] = points((5, 79.9), (300, 12))
    (finding,) = quotas.spending(preflight)
    assert (finding.state, finding.finding) == (State.OK, "79.90 of 100 dollars this month")
    (asked,) = account.of("GetMetricStatistics")
    assert (asked["Namespace"], asked["MetricName"]) == ("AWS/SMSVoice", "TextMessageMonthlySpend")
    begin = asked["EndTime"].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert asked["StartTime"] == max(begin, asked["EndTime"] - timedelta(hours=96))


@pytest.mark.parametrize(("unreserved", "state"), [(8, State.WARN), (9, State.OK)])
def test_what_functions_may_run_at_once_is_compared_with_what_the_queues_take(
    account: Account, preflight: Preflight, unreserved: int, state: State
) -> None:
    preflight.outputs = {}
    mapping = {"Type": "AWS::Lambda::EventSourceMapping"}
    account.always |= {
        "GetTemplate": {"TemplateBody": {"Resources": {"A": mapping, "B": mapping}}},
        "ListStackResources": {"StackResourceSummaries": []},
        "GetAccountSettings": {
            "AccountLimit": {"UnreservedConcurrentExecutions": unreserved, "ConcurrentExecutions": 1000}
        },
    }
    (finding,) = quotas.concurrency(preflight)
    assert finding.state == state


# --- the number that a remedy names is accepted -----------------------------------------------------------------


def mistakes(folder: Path, settings: str) -> list[Any]:
    path = folder / "bridge.toml"
    path.write_text(settings)
    try:
        load(path)
    except ConfigError as error:
        return error.mistakes
    return []


def the_number_in(remedy: str, pattern: str) -> float:
    found = re.search(pattern, remedy)
    assert found, remedy
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize(
    "waits",
    [
        "",
        'retry_first = "1s"\nretry_longest = "10s"\ngive_up_after = "20m"\n',
        'blocked_retry = "30s"\ngive_up_after = "2h"\n',
        'retry_longest = "1h"\nblocked_retry = "1h"\ngive_up_after = "1d"\n',
    ],
)
def test_the_max_receive_count_that_a_remedy_names_is_accepted_and_one_less_is_not(waits: str, tmp_path: Path) -> None:
    def told(count: int) -> list[Any]:
        return mistakes(tmp_path, f"[limits]\nmax_receive_count = {count}\n{waits}{NUMBERS}")

    (mistake,) = told(1)
    needed = int(the_number_in(mistake.remedy, r"of ([0-9]+) or more"))
    assert told(needed) == []
    assert [one.remedy for one in told(needed - 1)] == [mistake.remedy]


def test_where_no_max_receive_count_would_do_longer_waits_are_named(tmp_path: Path) -> None:
    waits = 'retry_first = "1s"\nretry_longest = "1s"\nblocked_retry = "1s"\n'
    (mistake,) = mistakes(tmp_path, f'[limits]\nmax_receive_count = 1000\n{waits}give_up_after = "1d"\n{NUMBERS}')
    assert mistake.remedy.startswith("longer waits")
    longest = next(
        seconds
        for seconds in range(86_400, 0, -1)
        if 2 * max_receives(retry_first=1, retry_longest=1, blocked_retry=1, give_up_after=seconds) + 1 <= 1000
    )
    for seconds, count in ((longest, 0), (longest + 1, 1)):
        text = f'[limits]\nmax_receive_count = 1000\n{waits}give_up_after = "{seconds}s"\n{NUMBERS}'
        assert len(mistakes(tmp_path, text)) == count


@pytest.mark.parametrize("call_timeout", [1.0, 5.0])
def test_the_margin_that_a_remedy_names_is_what_must_be_exceeded(call_timeout: float, tmp_path: Path) -> None:
    def told(deadline: float) -> list[Any]:
        times = f'call_timeout = "{call_timeout}s"\nbatch_deadline = "{deadline:.3f}s"\nfunction_timeout = "30s"\n'
        return mistakes(tmp_path, f"[limits]\n{times}{NUMBERS}")

    (mistake,) = told(29)
    margin = the_number_in(mistake.remedy, r"more than ([0-9.]+) s")
    assert len(told(30 - margin)) == 1
    assert told(30 - margin - 0.001) == []


BOUNDS = {
    **{
        f"limits.{name}": (low, high)
        for name, low, high in (
            ("mark_late_after", "0s", "14d"),
            ("give_up_after", "1s", "1d"),
            ("call_timeout", "500ms", "1m"),
            ("batch_deadline", "1s", "15m"),
            ("function_timeout", "1s", "15m"),
            ("retry_first", "1s", "12h"),
            ("retry_longest", "1s", "12h"),
            ("blocked_retry", "1s", "12h"),
        )
    },
    "operation.expect_texts_every": ("10m", "7d"),
    "start_chat.chat_duration": ("1h", "7d"),
}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def own(found: list[Any], setting: str) -> list[Any]:
    """What is said of the setting itself, and not of how it goes with others."""
    return [one for one in found if one.place == setting and "is not possible" in one.problem]


@pytest.mark.parametrize("setting", BOUNDS)
def test_both_ends_of_the_range_that_a_remedy_names_are_accepted_and_nothing_beyond(
    setting: str, tmp_path: Path
) -> None:
    section, name = setting.split(".")

    def told(duration: str) -> list[Any]:
        return own(mistakes(tmp_path, f'[{section}]\n{name} = "{duration}"\n{NUMBERS}'), setting)

    (mistake,) = told("100d")
    low, high = re.findall(r'"([^"]+)"', mistake.remedy)
    assert (low, high) == BOUNDS[setting]
    assert told(low) == told(high) == []
    for end, by in ((low, -1), (high, 1)):
        found = re.fullmatch(r"([0-9.]+)([a-z]+)", end)
        assert found
        beyond = float(found[1]) * SECONDS[found[2]] + by * (0.001 if by < 0 else 1)
        if beyond >= 0:
            assert len(told(f"{beyond:.3f}s")) == 1, beyond


@pytest.mark.parametrize(
    ("setting", "low", "high"),
    [
        ("limits.max_concurrency", 2, 1000),
        ("limits.part_length", 64, 1024),
        ("limits.max_receive_count", 1, 1000),
    ],
)
def test_whole_numbers_are_accepted_from_the_least_to_the_most_that_a_remedy_names(
    setting: str, low: int, high: int, tmp_path: Path
) -> None:
    section, name = setting.split(".")

    def told(number: int) -> list[Any]:
        return own(mistakes(tmp_path, f"[{section}]\n{name} = {number}\n{NUMBERS}"), setting)

    assert told(low) == told(high) == []
    for number in (low - 1, high + 1):
        assert [one.remedy for one in told(number)] == [f"a whole number from {low} to {high}"]


@pytest.mark.parametrize(
    ("setting", "line", "most"),
    [
        ("chat.display_name", "[chat]\ndisplay_name = {value}\n", 256),
        ("chat.disconnect_keywords[1]", "[chat]\ndisconnect_keywords = [{value}]\n", 160),
        ("chat.empty_message", "[chat]\nempty_message = {value}\n", 200),
        ("chat.late_message", "[chat]\nlate_message = {value}\n", 200),
    ],
)
def test_texts_may_be_as_long_as_a_remedy_says(setting: str, line: str, most: int, tmp_path: Path) -> None:
    def told(length: int) -> list[Any]:
        return mistakes(tmp_path, line.format(value=json.dumps("x" * length)) + NUMBERS)

    assert told(most) == told(1) == []
    assert [(one.place, one.remedy) for one in told(most + 1)] == [(setting, f"at most {most}")]
    assert [(one.place, one.remedy) for one in told(0)] == [(setting, f"1 to {most} characters")]


@pytest.mark.parametrize("name", ["empty_message", "late_message"])
def test_a_line_may_take_half_of_a_part_as_a_remedy_says(name: str, tmp_path: Path) -> None:
    def told(length: int) -> list[Any]:
        return mistakes(tmp_path, f'[chat]\n{name} = "{"x" * length}"\n[limits]\npart_length = 200\n{NUMBERS}')

    (mistake,) = told(150)
    most = int(the_number_in(mistake.remedy, r"\(([0-9]+)\)"))
    assert most == 100
    assert told(most) == []
    assert len(told(most + 1)) == 1


def test_attributes_may_take_as_much_room_as_a_remedy_says(tmp_path: Path) -> None:
    def told(bytes_: int) -> list[Any]:
        return mistakes(tmp_path, f'[attributes]\nname = "{"x" * (bytes_ - 4)}"\n{NUMBERS}')

    (mistake,) = told(32_000)
    most = int(the_number_in(mistake.remedy, r"at most ([0-9,]+)"))
    assert (most, told(most)) == (28_000, [])
    assert len(told(most + 1)) == 1


@pytest.mark.parametrize(("length", "count"), [(256, 0), (257, 1)])
def test_a_topic_may_have_the_longest_name_that_sns_takes(length: int, count: int, tmp_path: Path) -> None:
    """An ARN of it is shorter than the 350 characters that Connect takes."""
    arn = f"arn:aws:sns:us-east-1:111122223333:{'t' * length}"
    found = mistakes(tmp_path, f'{NUMBERS}streaming_topic_arn = "{arn}"\n')
    assert len([one for one in found if one.place == "numbers[1].streaming_topic_arn"]) == count


@pytest.mark.parametrize(("receives", "visibility", "rules"), [(500, 180, []), (500, 179, ["Visibility"])])
def test_the_checks_at_synth_draw_the_same_lines(receives: int, visibility: int, rules: list[str]) -> None:
    assert [one.rule for one in findings(template(receives, visibility), limits=Limits())] == rules


def test_the_least_receives_that_the_checks_at_synth_accept_are_those_of_the_settings(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, f"[limits]\nmax_receive_count = 1\n{NUMBERS}")
    needed = int(the_number_in(mistake.remedy, r"of ([0-9]+) or more"))
    assert [one.rule for one in findings(template(needed, 180), limits=Limits())] == []
    assert [one.rule for one in findings(template(needed - 1, 180), limits=Limits())] == ["Receives"]


def template(receives: int, visibility: int) -> Mapping[str, Any]:
    queue = {"RedrivePolicy": {"maxReceiveCount": receives}, "VisibilityTimeout": visibility}
    mapping = {"EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}, "FunctionName": {"Ref": "F"}}
    return {
        "Resources": {
            "Q": {"Type": "AWS::SQS::Queue", "Properties": queue},
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}},
            "M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        }
    }
