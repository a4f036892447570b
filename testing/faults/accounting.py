"""What became of every text, by what was seen outside the functions; pure: tests hand it runs that are made up."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any, Protocol

from testing.faults.load import parts_shown
from testing.faults.record import Batch, Record, Write
from testing.faults.sns import identity

Shown = Mapping[str, Any]
"""An entry of the double's journal."""

LOST_ANSWER = "Connect's answer was lost"
KILLED = "killed between the answer and the ledger"
UNWRITTEN = "the ledger could not be written"
CHAT_ENDED = "its chat ended before a retry"
"""Of a lost answer, a kill or a ledger unwritten, where a client token would have made the retry harmless."""
UNEXPLAINED = "unexplained"
ENDED = ("killed", "timed out", "error")
"""How an invocation ends that has told nobody what it did."""
UNDER_WAY = 3.0
"""Seconds for which a call may be under way when its caller is killed: Connect takes it all the same."""
CONVERSATIONS, REPLIES_QUEUE, FAILED = "conversations", "replies", "failed"
_REPEATABLE = ("SendMessage", "StartChatContact")
"""Calls with a client token: repeated in the same chat they show nothing."""


class Said(Protocol):
    """A text or a reply; `number` is in each part of its body."""

    @property
    def number(self) -> int: ...
    @property
    def identity(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def meant_to_fail(self) -> bool: ...
    @property
    def conversation(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Way:
    """One direction: its queue, the calls that show something, and how bodies are told from one another."""

    queue: str
    calls: frozenset[str]
    mark: re.Pattern[str]

    def number_of(self, entry: Shown) -> int | None:
        """The number of what an entry of the journal shows, if it is of this direction."""
        found = self.mark.search(entry["content"] or "") if entry["operation"] in self.calls else None
        return int(found[1]) if found else None


TEXTS = Way(
    CONVERSATIONS,
    frozenset({"SendChatIntegrationEvent", "StartChatContact", "SendMessage"}),
    re.compile(r"\bt(\d+)(?:w\d+)?\b"),
)
REPLIES = Way(REPLIES_QUEUE, frozenset({"SendTextMessage"}), re.compile(r"\br(\d+)(?:w\d+)?\b"))


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Numbers of texts, but for `duplicates`: those of parts that were shown again, by what explains each.

    `torn`: another text stands between the parts of these; `disordered`: pairs shown otherwise than they were sent.
    Neither is promised.
    """

    published: int = 0
    shown: int = 0
    lost: list[Said] = field(default_factory=list)
    garbled: list[Said] = field(default_factory=list)
    out_of_order: list[Said] = field(default_factory=list)
    torn: list[Said] = field(default_factory=list)
    disordered: int = 0
    twice: list[Said] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)
    unexplained: list[Said] = field(default_factory=list)
    failed: int = 0
    failed_wrongly: list[Said] = field(default_factory=list)
    undelivered: list[Said] = field(default_factory=list)
    p50: float = 0.0
    p99: float = 0.0
    longest: float = 0.0

    @property
    def broken(self) -> dict[str, list[Said]]:
        """The promises that were not kept, with the texts that show it."""
        promises = {
            "lost": self.lost,
            "shown, but not as it was sent": self.garbled,
            "out of order": self.out_of_order,
            "shown twice without a reason": self.unexplained,
            "failed, though nothing was wrong with it": self.failed_wrongly,
        }
        return {promise: texts for promise, texts in promises.items() if texts}


class Accounts:
    """Looks at a run that is over."""

    def __init__(
        self,
        texts: Sequence[Said],
        record: Record,
        journal: Sequence[Shown],
        failed: Sequence[str],
        *,
        way: Way = TEXTS,
        ended: Mapping[str, float] | None = None,
    ) -> None:
        """`failed`: identities of what is in the failed queue; `ended`: when chats ended, by contact."""
        self._texts, self._record, self._ended = texts, record, ended or {}
        self._failed, self._undelivered = set(failed), _undelivered(record)
        self._shown: dict[int, list[Shown]] = defaultdict(list)
        for entry in journal:
            if (number := way.number_of(entry)) is not None:
                self._shown[number].append(entry)
        self._batches: dict[str, list[Batch]] = defaultdict(list)
        for batch in record.batches:
            for text in batch.texts:
                self._batches[text].append(batch)
        self._writes: dict[str, list[Write]] = defaultdict(list)
        for write in record.writes:
            self._writes[write.text_key].append(write)
        self._sequence: dict[str, int] = {}
        for send in record.sends:
            if send.queue == way.queue:
                self._sequence.setdefault(send.identity, send.sequence)

    def verdict(self) -> Verdict:
        verdict = Verdict(published=len(self._texts))
        waits: list[float] = []
        for text in self._texts:
            entries = self._shown[text.number]
            failed, undelivered = text.identity in self._failed, text.identity in self._undelivered
            verdict.failed += failed
            if undelivered and not entries:
                verdict.undelivered.append(text)
            if failed and not text.meant_to_fail:
                verdict.failed_wrongly.append(text)
            if not (entries or failed or undelivered):
                verdict.lost.append(text)
            if entries:
                verdict.shown += 1
                self._look_at_shown(text, entries, verdict)
                waits.append(self._first_whole(entries) - self._record.published[text.identity])
        for conversation in self._conversations():
            self._look_at_order(conversation, verdict)
        if waits:
            verdict.p50, verdict.longest = statistics.median(waits), max(waits)
            verdict.p99 = sorted(waits)[int(len(waits) * 0.99)]
        return verdict

    def history(self, text: Said) -> list[str]:
        """All that happened to one text, in order."""
        began = min(self._record.published.values())
        published = self._record.published[text.identity]
        events = [(published, f"published ({text.kind}), handed over after {self._record.deliveries[text.identity]} s")]
        events += [
            (send.at, f"put on {send.queue} as {send.entry}")
            for send in self._record.sends
            if send.identity == text.identity
        ]
        for batch in self._batches[text.identity]:
            if call := batch.invocation:
                events.append((call.began_at, f"in a batch of {len(batch.texts)} at {call.environment}"))
                given_back = [f["itemIdentifier"] for f in (call.result or {}).get("batchItemFailures", [])]
                mine = [e for e, t in zip(batch.entries, batch.texts, strict=True) if t == text.identity]
                what = "given back" if set(mine) & set(given_back) else ""
                events.append((call.ended_at, f"{call.environment}: {call.fate} {call.error} {what}".rstrip()))
        events += [
            (
                shown["at"],
                f"shown as number {shown['n']} in {shown['contact']}" + ("" if shown["answered"] else ", answer lost"),
            )
            for shown in self._shown[text.number]
        ]
        events += [
            (write.at, f"ledger, part {write.parts_done}: {write.fate}" + ("" if write.answered else ", no answer"))
            for write in self._writes[text.key]
        ]
        return [f"{at - began:9.3f} s  {what}" for at, what in sorted(events)]

    def shown_late(self, *, before: float) -> float | None:
        """When the last of the texts published before that time was shown first."""
        firsts = [
            self._shown[text.number][0]["at"]
            for text in self._texts
            if self._shown[text.number] and self._record.published[text.identity] < before
        ]
        return max(firsts, default=None)

    def _look_at_shown(self, text: Said, entries: Sequence[Shown], verdict: Verdict) -> None:
        if text.meant_to_fail or parts_shown([entry["content"] for entry in entries]) != text.body:
            verdict.garbled.append(text)
        by_part: dict[str, list[Shown]] = defaultdict(list)
        for entry in entries:
            by_part[entry["content"]].append(entry)
        reasons = [
            self._why_again(text, part, again)
            for part, showings in enumerate(by_part.values(), start=1)
            for again in pairwise(showings)
        ]
        if reasons:
            verdict.twice.append(text)
            verdict.duplicates.update(reasons)
        if UNEXPLAINED in reasons:
            verdict.unexplained.append(text)

    def _why_again(self, text: Said, part: int, again: tuple[Shown, Shown]) -> str:
        """The recorded event that lies between a showing and the next one of the same part."""
        first, second = again
        why = self._why_called_again(text, part, again)
        if why == UNEXPLAINED or second["operation"] not in _REPEATABLE:
            return why
        replaced = first["contact"] != second["contact"] and self._ended.get(first["contact"], inf) <= second["at"]
        return CHAT_ENDED if replaced else UNEXPLAINED

    def _why_called_again(self, text: Said, part: int, again: tuple[Shown, Shown]) -> str:
        first, second = again
        if not first["answered"]:
            return LOST_ANSWER
        between = [
            write
            for write in self._writes[text.key]
            if write.parts_done == part and first["at"] <= write.at <= second["at"]
        ]
        if any(write.fate == "applied" for write in between):
            return UNEXPLAINED  # the ledger knew
        if self._killed_at(text, first["at"]):
            return KILLED
        return UNWRITTEN if between else UNEXPLAINED

    def _killed_at(self, text: Said, shown_at: float) -> bool:
        """Whether the function that was at this text was killed, perhaps while its call was under way."""
        calls = [batch.invocation for batch in self._batches[text.identity] if batch.invocation]
        last = max((call for call in calls if call.began_at <= shown_at), key=lambda call: call.began_at, default=None)
        return last is not None and last.fate in ENDED and shown_at <= last.ended_at + UNDER_WAY

    def _conversations(self) -> list[list[Said]]:
        """Texts that were shown, by conversation, in the order of their first showing."""
        found: dict[tuple[str, ...], list[Said]] = defaultdict(list)
        shown = (text for text in self._texts if self._shown[text.number])
        for text in sorted(shown, key=lambda text: self._shown[text.number][0]["n"]):
            found[text.conversation].append(text)
        return list(found.values())

    def _look_at_order(self, texts: Sequence[Said], verdict: Verdict) -> None:
        record = self._record
        for number, earlier in enumerate(texts):
            for later in texts[number + 1 :]:
                verdict.disordered += record.timestamps[earlier.identity] > record.timestamps[later.identity]
                if self._overtook(earlier, later):
                    verdict.out_of_order.append(earlier)
        last = {text.number: self._last_new(self._shown[text.number])["n"] for text in texts}
        for one, next_one in pairwise(texts):
            if last[one.number] > self._shown[next_one.number][0]["n"]:
                verdict.torn.append(one)

    def _overtook(self, earlier: Said, later: Said) -> bool:
        """Whether a text was shown before one that the queue had ahead of it, and no batch had both to sort by time."""
        one, other = earlier.identity, later.identity
        if not self._sequence or self._sequence[one] < self._sequence[other]:
            return False
        stamps = self._record.timestamps
        together = any(other in batch.texts for batch in self._batches[one])
        return not (together and stamps[one] < stamps[other])

    @staticmethod
    def _last_new(entries: Sequence[Shown]) -> Shown:
        """The first showing of the part that was shown last."""
        firsts: dict[str, Shown] = {}
        for entry in entries:
            firsts.setdefault(entry["content"], entry)
        return max(firsts.values(), key=lambda entry: int(entry["n"]))

    def _first_whole(self, entries: Sequence[Shown]) -> float:
        at: float = self._last_new(entries)["at"]
        return at


def _undelivered(record: Record) -> set[str]:
    return {identity(lost["requestPayload"]["Records"][0]) for lost in record.undelivered}


@dataclass(slots=True, kw_only=True)
class ChatVerdict:
    """Numbers of chats; `second`: contacts of those that began while another of their conversation was open.

    `unconnected`: of those that were over before the customer was connected, so that nobody saw them. `miscounted`:
    of conversations whose generation is not the number of their chats.
    """

    started: int = 0
    replacing: int = 0
    second: list[str] = field(default_factory=list)
    unconnected: int = 0
    miscounted: list[str] = field(default_factory=list)

    @property
    def broken(self) -> dict[str, list[str]]:
        promises = {
            "a second chat while one was open": self.second,
            "more or fewer chats than generations": self.miscounted,
        }
        return {promise: contacts for promise, contacts in promises.items() if contacts}


def look_at(chats: Sequence[Mapping[str, Any]], generations: Mapping[str, int]) -> ChatVerdict:
    """`chats` as the double describes them; `generations` by the contact of a conversation's latest chat."""
    verdict = ChatVerdict(started=len(chats))
    conversations: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for chat in sorted(chats, key=lambda chat: float(chat["started_at"])):
        conversations[chat["source"], chat["destination"]].append(chat)
        verdict.unconnected += not chat["connected"]
    for of_one in conversations.values():
        verdict.replacing += len(of_one) - 1
        for before, after in pairwise(of_one):
            if before["ended_at"] is None or before["ended_at"] > after["started_at"]:
                verdict.second.append(after["contact"])
        contacts = {chat["contact"] for chat in of_one}
        if [count for contact, count in generations.items() if contact in contacts] != [len(of_one)]:
            verdict.miscounted.append(of_one[-1]["contact"])
    return verdict
