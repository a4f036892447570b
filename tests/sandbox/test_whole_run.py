"""What the functions wrote in the whole run of this folder: the last of its files, which plays enough by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bridge.metrics import METRICS_BY_FUNCTION
from testing.metrics import OF_A_TEXT, OF_POWERTOOLS
from tests.sandbox.logs import Line, lines
from tests.sandbox.texts import SAID, START_CHAT, Phones, Text, customer, forwarded, until

EVENTS = Path(__file__).parents[2] / "events"
LONG_ENOUGH = 10
"""Characters. A shorter text may be in a log by chance."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NUMBER = re.compile(r"[2-9][0-9]{2}55501[0-9]{2}")
"""Any phone number of the tests: all are from the ranges reserved for fiction."""
HASH = re.compile(r"(?<!sha256-)(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])")
"""sha256-... is the text key of a longer id."""


def bodies() -> set[str]:
    """All texts of this run that are long enough."""
    sample = {
        str(json.loads(record["Sns"]["Message"]).get("messageBody"))
        for file in EVENTS.glob("forwarded/*.json")
        for record in json.loads(file.read_text(encoding="utf-8"))["Records"]
    }
    return {body for body in SAID | sample if len(body) >= LONG_ENOUGH}


def spellings(body: str) -> Iterator[str]:
    yield body
    yield json.dumps(body)[1:-1]
    yield json.dumps(body, ensure_ascii=False)[1:-1]


def play(phones: Phones) -> None:
    """Texts and replies with every outcome, except those after a timeout."""
    texts = [
        Text(customer=customer(7000), body="confidential words"),
        Text(customer=customer(7001), body="confidential words", business_number="+12125550199"),
        Text(customer=customer(7002), body="confidential words", business_number=START_CHAT),
        Text(customer=customer(7003), body="confidential words that wait"),
    ]
    phones.publish(f"confidential words from {customer(7004)}")
    phones.send(texts[:3])
    until(lambda: forwarded(phones, [texts[0], texts[2]]), seconds=40, what="forwarded")
    phones.simulator.reply(customer(7002), "a confidential answer")
    until(lambda: phones.simulator.phone(customer(7002)), seconds=40, what="on the phone")
    with phones.fault("refuse"):
        phones.send(texts[3:])
        phones.simulator.reply(customer(7002), "another confidential answer")
        until(lambda: phones.item(texts[3].key).get("error"), seconds=20, what="refused")
    until(lambda: forwarded(phones, texts[3:]), seconds=40, what="forwarded")
    phones.simulator.settings(opted_out=[customer(7002)])
    phones.simulator.reply(customer(7002), "nobody reads this confidential answer")
    until(lambda: len(phones.failed()) == 3, seconds=60, what="all that fails has failed")
    phones.simulator.settings(opted_out=[])
    phones.empty("FailedQueueUrl")


def test_no_log_line_of_a_function_holds_a_body_a_number_or_a_hash_of_one(phones: Phones) -> None:
    play(phones)
    needed = {(service, kind) for service in METRICS_BY_FUNCTION for kind in ("line", "metric")} | {
        ("intake", "text failed"),
        ("forward", "text forwarded"),
        ("forward", "text returned to its queue"),
        ("forward", "text failed"),
        ("reply", "reply forwarded"),
        ("reply", "reply failed"),
    }

    def written() -> list[Line] | None:
        found = list(lines(phones.sandbox))
        there = {(line.fields.get("service"), line.fields.get("message")) for line in found}
        there |= {(line.fields.get("service"), "metric" if "_aws" in line.fields else "line") for line in found}
        return found if needed <= there else None

    said = {spelling for body in bodies() for spelling in spellings(body)}
    for line in until(written, seconds=30, what="everything is logged"):
        metrics = set(METRICS_BY_FUNCTION.get(line.fields.get("service", ""), ()))
        assert line.fields.keys() <= (
            {"_aws", "service"} | metrics if "_aws" in line.fields else OF_A_TEXT | OF_POWERTOOLS
        ), line
        assert not [body for body in said if body in line.text], line
        rest = UUID.sub("", line.text)
        assert not NUMBER.search(rest) and not HASH.search(rest), line
