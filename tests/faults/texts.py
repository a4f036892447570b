"""The load: who texts what, how often SNS delivers it, and which texts are meant to fail. All by the seed."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

OURS = ("+12125550101", "+12125550102")
NOBODYS = "+12125550199"
KEEPS = re.compile(r"\bt(\d+)(?:w\d+)?\b")
"""The number of a text, in each part of its body."""

Kind = Literal["plain", "long", "unknown number", "malformed"]
_SHARES: dict[Kind, float] = {"long": 0.01, "unknown number": 0.004, "malformed": 0.004}
_TWICE = 0.02
_LATE = 0.005
_SLOW = 0.03
_WORDS = ("hello", "is", "my order", "there", "yet", "👋", "¿cuándo?", "thanks", "ありがとう", "by Friday", "…", "🙏🏽")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`deliveries`: seconds from publishing to each of SNS's hand-overs."""

    number: int
    customer: str
    ours: str
    kind: Kind
    body: str = field(repr=False)
    message: str = field(repr=False)
    key: str
    sns_message_id: str
    deliveries: tuple[float, ...]

    @property
    def meant_to_fail(self) -> bool:
        return self.kind in ("unknown number", "malformed")

    @property
    def conversation(self) -> tuple[str, str]:
        return self.customer, self.ours


def load(*, seed: int, texts: int, conversations: int, window: float) -> list[Text]:
    """In the order of publishing. `window`: the queue's deduplication time in seconds; some copies come after it."""
    rng = random.Random(f"{seed} texts")
    people = [(_customer(number), OURS[number % len(OURS)]) for number in range(conversations)]
    # everybody texts at least once
    order = [*range(conversations), *(rng.randrange(conversations) for _ in range(texts - conversations))][:texts]
    rng.shuffle(order)
    return [_text(number, *people[who], rng=rng, window=window) for number, who in enumerate(order)]


def parts_shown(contents: Sequence[str]) -> str:
    """What a chat shows of a text: each part once, in the order of its first showing."""
    return "".join(dict.fromkeys(contents))


def _text(number: int, customer: str, ours: str, *, rng: random.Random, window: float) -> Text:
    kind = _kind(rng)
    if kind == "unknown number":
        ours = NOBODYS
    if kind == "long":
        body = " ".join(f"t{number}w{n}" for n in range(rng.randrange(150, 400)))
    else:
        body = " ".join([f"t{number}", *rng.choices(_WORDS, k=rng.randrange(1, 12))])
    key, message_id = _id(rng), _id(rng)
    payload = {
        "originationNumber": customer,
        "destinationNumber": ours,
        "messageKeyword": "KEYWORD_111122223333",
        "messageBody": body,
        "inboundMessageId": key,
        "previousPublishedMessageId": None,
    }
    message = json.dumps(payload)
    if kind == "malformed":
        del payload["originationNumber"]
        message = rng.choice([json.dumps(payload), message[: len(message) // 2], f'"t{number}"'])
    deliveries = [_delay(rng)]
    if rng.random() < _TWICE:
        deliveries.append(deliveries[0] + _delay(rng) + rng.uniform(0, 3))
    if rng.random() < _LATE:
        deliveries.append(window + rng.uniform(1, 5))
    return Text(
        number=number,
        customer=customer,
        ours=ours,
        kind=kind,
        body=body,
        message=message,
        key=key,
        sns_message_id=message_id,
        deliveries=tuple(deliveries),
    )


def _kind(rng: random.Random) -> Kind:
    number = rng.random()
    for kind, share in _SHARES.items():
        if number < share:
            return kind
        number -= share
    return "plain"


def _delay(rng: random.Random) -> float:
    """SNS is quick; now and then it is not, and later texts overtake."""
    return rng.uniform(0.2, 2) if rng.random() < _SLOW else rng.expovariate(1 / 0.03)


def _customer(number: int) -> str:
    """From the numbers that are reserved for fiction: 100 in each area code."""
    return f"+1{201 + number // 100}55501{number % 100:02}"


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
