"""The load: who texts what, how often SNS delivers it, which texts are meant to fail, and what agents do when they have
read one. All by the seed."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from testing.builders import customer_number
from testing.faults.plan import Plan

OURS = ("+12125550101", "+12125550102")
NOBODYS = "+12125550199"
Kind = Literal["plain", "long", "unknown number", "malformed"]
Act = Literal["reply", "long reply", "transfer", "end"]
_SHARES: dict[Kind, float] = {"long": 0.01, "unknown number": 0.004, "malformed": 0.004}
_OPTED_OUT = 0.01
_TWICE = 0.02
_LATE = 0.005
_SLOW = 0.03
_THEN: dict[tuple[Act, ...], float] = {
    ("reply",): 0.4,
    ("reply", "reply"): 0.05,
    ("long reply",): 0.01,
    ("transfer", "reply"): 0.02,
    ("end",): 0.025,
    ("reply", "end"): 0.015,
}
"""What an agent does once a text is read, and how often; else nothing."""
_WORDS = ("hello", "is", "my order", "there", "yet", "👋", "¿cuándo?", "thanks", "ありがとう", "by Friday", "…", "🙏🏽")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`deliveries`: seconds from publishing to each of SNS's hand-overs; `then`: what the agent does who reads it."""

    number: int
    customer: str
    ours: str
    kind: Kind
    body: str = field(repr=False)
    message: str = field(repr=False)
    key: str
    identity: str
    deliveries: tuple[float, ...]
    then: tuple[Act, ...] = ()

    @property
    def meant_to_fail(self) -> bool:
        return self.kind in ("unknown number", "malformed")

    @property
    def conversation(self) -> tuple[str, str]:
        return self.customer, self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent said in a chat. `identity`: the Id that Connect gave it."""

    number: int
    identity: str
    contact: str
    body: str = field(repr=False)
    kind: Literal["reply", "opted out"]

    @property
    def key(self) -> str:
        """What the ledger knows it by."""
        return f"reply-{self.identity}"

    @property
    def meant_to_fail(self) -> bool:
        return self.kind == "opted out"

    @property
    def conversation(self) -> tuple[str, ...]:
        return (self.contact,)


def load(plan: Plan) -> list[Text]:
    """In the order of publishing."""
    seed, texts, conversations, window = plan.seed, plan.texts, plan.conversations, plan.window
    rng = random.Random(f"{seed} texts")
    people = [_person(number) for number in range(conversations)]
    # everybody texts at least once
    order = [*range(conversations), *(rng.randrange(conversations) for _ in range(texts - conversations))][:texts]
    rng.shuffle(order)
    agents = random.Random(f"{seed} agents")
    return [
        _text(number, *people[who], kind=None, then=_then(agents), rng=rng, window=window)
        for number, who in enumerate(order)
    ]


def opted_out(texts: Sequence[Text], *, seed: int) -> set[str]:
    """Customers whose phones take no replies."""
    customers = sorted({text.customer for text in texts})
    return {who for who in customers if random.Random(f"{seed} {who}").random() < _OPTED_OUT}


def pairs(*, seed: int, conversations: int) -> list[Text]:
    """The first two texts of each conversation, one right after the other."""
    rng = random.Random(f"{seed} pairs")
    people = [_person(number) for number in range(conversations) for _ in range(2)]
    return [_plain(number, *who, rng=rng, replied=False) for number, who in enumerate(people)]


def rounds(*, seed: int, conversations: int, texts: int, replies: int) -> list[Text]:
    """Everybody's first text, then everybody's second one, and so on; agents reply to the first ones."""
    rng = random.Random(f"{seed} rounds")
    load: list[Text] = []
    for turn in range(texts):
        for person in rng.sample(range(conversations), conversations):
            load.append(_plain(len(load), *_person(person), rng=rng, replied=turn < replies))
    return load


def _plain(number: int, customer: str, ours: str, *, rng: random.Random, replied: bool) -> Text:
    then: tuple[Act, ...] = ("reply",) if replied else ()
    return _text(number, customer, ours, kind="plain", then=then, rng=rng, window=0)


def reply_body(number: int, rng: random.Random, *, long: bool) -> str:
    """What an agent says: `long` is more than one text message carries."""
    return _words(f"r{number}", rng, long=long)


def hand_overs(rng: random.Random, *, window: float) -> tuple[float, ...]:
    """When SNS hands a message over, in seconds from its publishing; some copies come after `window`."""
    deliveries = [_delay(rng)]
    if rng.random() < _TWICE:
        deliveries.append(deliveries[0] + _delay(rng) + rng.uniform(0, 3))
    if rng.random() < _LATE:
        deliveries.append(window + rng.uniform(1, 5))
    return tuple(deliveries)


def parts_shown(contents: Sequence[str]) -> str:
    """What a chat shows of a text: each part once, in the order of its first showing."""
    return "".join(dict.fromkeys(contents))


def _text(
    number: int,
    customer: str,
    ours: str,
    *,
    kind: Kind | None,
    then: tuple[Act, ...],
    rng: random.Random,
    window: float,
) -> Text:
    kind = kind or _kind(rng)
    if kind == "unknown number":
        ours = NOBODYS
    body = _words(f"t{number}", rng, long=kind == "long")
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
    return Text(
        number=number,
        customer=customer,
        ours=ours,
        kind=kind,
        body=body,
        message=message,
        key=key,
        identity=message_id,
        deliveries=hand_overs(rng, window=window),
        then=then,
    )


def _words(mark: str, rng: random.Random, *, long: bool) -> str:
    """Words of which each part of the whole has one with the mark."""
    if long:
        return " ".join(f"{mark}w{n}" for n in range(rng.randrange(150, 400)))
    return " ".join([mark, *rng.choices(_WORDS, k=rng.randrange(1, 12))])


def _then(rng: random.Random) -> tuple[Act, ...]:
    number = rng.random()
    for then, share in _THEN.items():
        if number < share:
            return then
        number -= share
    return ()


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


def _person(number: int) -> tuple[str, str]:
    """A customer and the business number that they text."""
    return customer_number(number), OURS[number % len(OURS)]


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
