"""The load, reproducible by its seed: texts, their deliveries by SNS, agents' actions."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from testing.builders import customer_number, payload
from testing.faults.plan import Plan

BUSINESS_NUMBERS = ("+12125550101", "+12125550102")
UNKNOWN_NUMBER = "+12125550199"
Kind = Literal["plain", "long", "unknown number", "malformed"]
AgentAction = Literal["reply", "long reply", "transfer", "end"]
_SHARES: dict[Kind, float] = {"long": 0.01, "unknown number": 0.004, "malformed": 0.004}
_OPTED_OUT = 0.01
_TWICE = 0.02
_LATE = 0.005
_SLOW = 0.03
_ACTIONS: dict[tuple[AgentAction, ...], float] = {
    ("reply",): 0.4,
    ("reply", "reply"): 0.05,
    ("long reply",): 0.01,
    ("transfer", "reply"): 0.02,
    ("end",): 0.025,
    ("reply", "end"): 0.015,
}
"""Share of the texts after which an agent takes these actions; after the others, none."""
_WORDS = ("hello", "is", "my order", "there", "yet", "👋", "¿cuándo?", "thanks", "ありがとう", "by Friday", "…", "🙏🏽")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`deliveries`: seconds from publishing to each delivery by SNS. `then`: what the agent does after reading it."""

    number: int
    customer: str
    business_number: str
    kind: Kind
    body: str = field(repr=False)
    message: str = field(repr=False)
    key: str
    identity: str
    deliveries: tuple[float, ...]
    then: tuple[AgentAction, ...] = ()

    @property
    def meant_to_fail(self) -> bool:
        return self.kind in ("unknown number", "malformed")

    @property
    def conversation(self) -> tuple[str, str]:
        return self.customer, self.business_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A message of an agent. `identity`: its Id in Connect."""

    number: int
    identity: str
    contact: str
    body: str = field(repr=False)
    kind: Literal["reply", "opted out"]

    @property
    def key(self) -> str:
        """Key in the ledger."""
        return f"reply-{self.identity}"

    @property
    def meant_to_fail(self) -> bool:
        return self.kind == "opted out"

    @property
    def conversation(self) -> tuple[str, ...]:
        return (self.contact,)


def load(plan: Plan) -> list[Text]:
    """Texts of a plan, in the order of publishing."""
    seed, texts, conversations, window = (
        plan.seed,
        plan.texts,
        plan.conversations,
        plan.deduplication_window,
    )
    rng = random.Random(f"{seed} texts")
    people = [_person(number) for number in range(conversations)]
    # every customer texts at least once
    order = [*range(conversations), *(rng.randrange(conversations) for _ in range(texts - conversations))][:texts]
    rng.shuffle(order)
    agents = random.Random(f"{seed} agents")
    return [
        _text(number, *people[who], kind=None, then=_actions(agents), rng=rng, window=window)
        for number, who in enumerate(order)
    ]


def opted_out(texts: Sequence[Text], *, seed: int) -> set[str]:
    """Customers who have opted out of replies."""
    customers = sorted({text.customer for text in texts})
    return {who for who in customers if random.Random(f"{seed} {who}").random() < _OPTED_OUT}


def pairs(*, seed: int, conversations: int) -> list[Text]:
    """Two texts of each conversation, one right after the other."""
    rng = random.Random(f"{seed} pairs")
    people = [_person(number) for number in range(conversations) for _ in range(2)]
    return [_plain(number, *who, rng=rng, replied=False) for number, who in enumerate(people)]


def rounds(*, seed: int, conversations: int, texts: int, replies: int) -> list[Text]:
    """First texts of all customers, then their second ones, and so on. Agents reply to the first `replies` of each."""
    rng = random.Random(f"{seed} rounds")
    load: list[Text] = []
    for turn in range(texts):
        for person in rng.sample(range(conversations), conversations):
            load.append(_plain(len(load), *_person(person), rng=rng, replied=turn < replies))
    return load


def _plain(number: int, customer: str, business_number: str, *, rng: random.Random, replied: bool) -> Text:
    then: tuple[AgentAction, ...] = ("reply",) if replied else ()
    return _text(number, customer, business_number, kind="plain", then=then, rng=rng, window=0)


def reply_body(number: int, rng: random.Random, *, long: bool) -> str:
    """Body of a reply. `long`: more than one text message carries."""
    return _words(f"r{number}", rng, long=long)


def delivery_delays(rng: random.Random, *, window: float) -> tuple[float, ...]:
    """Seconds from publishing to each delivery by SNS. Some duplicates come after the deduplication `window`."""
    deliveries = [_delay(rng)]
    if rng.random() < _TWICE:
        deliveries.append(deliveries[0] + _delay(rng) + rng.uniform(0, 3))
    if rng.random() < _LATE:
        deliveries.append(window + rng.uniform(1, 5))
    return tuple(deliveries)


def parts_shown(contents: Sequence[str]) -> str:
    """Text as a chat shows it: each part once, in the order in which it was first shown."""
    return "".join(dict.fromkeys(contents))


def _text(
    number: int,
    customer: str,
    business_number: str,
    *,
    kind: Kind | None,
    then: tuple[AgentAction, ...],
    rng: random.Random,
    window: float,
) -> Text:
    kind = kind or _kind(rng)
    if kind == "unknown number":
        business_number = UNKNOWN_NUMBER
    body = _words(f"t{number}", rng, long=kind == "long")
    key, message_id = _id(rng), _id(rng)
    sms = payload(body, originationNumber=customer, destinationNumber=business_number, inboundMessageId=key)
    message = json.dumps(sms)
    if kind == "malformed":
        del sms["originationNumber"]
        message = rng.choice([json.dumps(sms), message[: len(message) // 2], f'"t{number}"'])
    return Text(
        number=number,
        customer=customer,
        business_number=business_number,
        kind=kind,
        body=body,
        message=message,
        key=key,
        identity=message_id,
        deliveries=delivery_delays(rng, window=window),
        then=then,
    )


def _words(pattern: str, rng: random.Random, *, long: bool) -> str:
    """Words with the mark; every part of a split text contains it."""
    if long:
        return " ".join(f"{pattern}w{n}" for n in range(rng.randrange(150, 400)))
    return " ".join([pattern, *rng.choices(_WORDS, k=rng.randrange(1, 12))])


def _actions(rng: random.Random) -> tuple[AgentAction, ...]:
    number = rng.random()
    for then, share in _ACTIONS.items():
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
    """Mostly short. Sometimes long enough for later texts to overtake."""
    return rng.uniform(0.2, 2) if rng.random() < _SLOW else rng.expovariate(1 / 0.03)


def _person(number: int) -> tuple[str, str]:
    """A customer and the business number that they text."""
    return customer_number(number), BUSINESS_NUMBERS[number % len(BUSINESS_NUMBERS)]


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
