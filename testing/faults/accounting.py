"""What became of every text and every chat, computed from what was recorded outside the functions. No I/O."""

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

JournalEntry = Mapping[str, Any]
"""An entry of the simulator's journal."""

LOST_ANSWER = "Connect's answer was lost"
KILLED = "killed between the answer and the ledger"
UNWRITTEN = "the ledger could not be written"
CHAT_ENDED = "its chat ended before a retry"
"""A lost answer, a kill or a failed ledger write, if the chat ended before the retry: then no client token helps."""
UNEXPLAINED = "unexplained"
UNANSWERED = ("killed", "timed out", "error")
"""Outcomes of an invocation that returned no response."""
IN_FLIGHT = 3.0
"""Seconds. A call may be in flight when its caller is killed; Connect still accepts it."""
CONVERSATIONS, REPLIES_QUEUE, FAILED = "conversations", "replies", "failed"
_REPEATABLE = ("SendMessage", "StartChatContact")
"""Calls with a client token. In the same chat, a repeated call shows nothing."""


class Message(Protocol):
    """A text or a reply. Each part of its body contains `number`."""

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
class Direction:
    """One direction: its queue, the operations that show a part, and the pattern of a number in a body."""

    queue: str
    calls: frozenset[str]
    pattern: re.Pattern[str]

    def number_of(self, entry: JournalEntry) -> int | None:
        """Number of the message that a journal entry shows; None if it belongs to the other direction."""
        found = self.pattern.search(entry["content"] or "") if entry["operation"] in self.calls else None
        return int(found[1]) if found else None


TEXTS = Direction(
    CONVERSATIONS,
    frozenset({"SendChatIntegrationEvent", "StartChatContact", "SendMessage"}),
    re.compile(r"\bt(\d+)(?:w\d+)?\b"),
)
REPLIES = Direction(REPLIES_QUEUE, frozenset({"SendTextMessage"}), re.compile(r"\br(\d+)(?:w\d+)?\b"))


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Counts and lists of texts. `duplicates` counts parts that were shown again, by reason.

    `interleaved`: texts with another text between their parts. `not_in_sent_order`: pairs that were not shown in the
    order in which they were sent. Neither is promised.
    """

    published: int = 0
    shown: int = 0
    lost: list[Message] = field(default_factory=list)
    garbled: list[Message] = field(default_factory=list)
    out_of_order: list[Message] = field(default_factory=list)
    interleaved: list[Message] = field(default_factory=list)
    not_in_sent_order: int = 0
    shown_twice: list[Message] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)
    unexplained: list[Message] = field(default_factory=list)
    failed: int = 0
    failed_wrongly: list[Message] = field(default_factory=list)
    undelivered: list[Message] = field(default_factory=list)
    p50: float = 0.0
    p99: float = 0.0
    longest: float = 0.0

    @property
    def broken(self) -> dict[str, list[Message]]:
        """Broken promises, each with its texts."""
        promises = {
            "lost": self.lost,
            "shown, but not as it was sent": self.garbled,
            "out of order": self.out_of_order,
            "shown twice without a reason": self.unexplained,
            "failed, though nothing was wrong with it": self.failed_wrongly,
        }
        return {promise: texts for promise, texts in promises.items() if texts}


class Accounting:
    """Evaluates a run that is over."""

    def __init__(
        self,
        texts: Sequence[Message],
        record: Record,
        journal: Sequence[JournalEntry],
        failed: Sequence[str],
        *,
        direction: Direction = TEXTS,
        ended: Mapping[str, float] | None = None,
    ) -> None:
        """`failed`: identities in the failed queue. `ended`: end of each chat by contact, seconds since the epoch."""
        self._texts, self._record, self._ended = texts, record, ended or {}
        self._failed, self._undelivered = set(failed), _undelivered(record)
        self._shown: dict[int, list[JournalEntry]] = defaultdict(list)
        for entry in journal:
            if (number := direction.number_of(entry)) is not None:
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
            if send.queue == direction.queue:
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
                self._check_content(text, entries, verdict)
                waits.append(self._first_whole(entries) - self._record.published[text.identity])
        for conversation in self._conversations():
            self._check_order(conversation, verdict)
        if waits:
            verdict.p50, verdict.longest = statistics.median(waits), max(waits)
            verdict.p99 = sorted(waits)[int(len(waits) * 0.99)]
        return verdict

    def history(self, text: Message) -> list[str]:
        """Events of one text, in order of time."""
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
                returned = [f["itemIdentifier"] for f in (call.result or {}).get("batchItemFailures", [])]
                mine = [e for e, t in zip(batch.entries, batch.texts, strict=True) if t == text.identity]
                what = "returned to the queue" if set(mine) & set(returned) else ""
                events.append((call.ended_at, f"{call.environment}: {call.outcome} {call.error} {what}".rstrip()))
        events += [
            (
                shown["at"],
                f"shown as number {shown['n']} in {shown['contact']}" + ("" if shown["answered"] else ", answer lost"),
            )
            for shown in self._shown[text.number]
        ]
        events += [
            (write.at, f"ledger, part {write.parts_done}: {write.outcome}" + ("" if write.answered else ", no answer"))
            for write in self._writes[text.key]
        ]
        return [f"{at - began:9.3f} s  {what}" for at, what in sorted(events)]

    def last_shown(self, *, before: float) -> float | None:
        """Time at which the last text that was published before `before` was shown for the first time."""
        firsts = [
            self._shown[text.number][0]["at"]
            for text in self._texts
            if self._shown[text.number] and self._record.published[text.identity] < before
        ]
        return max(firsts, default=None)

    def _check_content(self, text: Message, entries: Sequence[JournalEntry], verdict: Verdict) -> None:
        if text.meant_to_fail or parts_shown([entry["content"] for entry in entries]) != text.body:
            verdict.garbled.append(text)
        by_part: dict[str, list[JournalEntry]] = defaultdict(list)
        for entry in entries:
            by_part[entry["content"]].append(entry)
        reasons = [
            self._duplicate_reason(text, part, again)
            for part, showings in enumerate(by_part.values(), start=1)
            for again in pairwise(showings)
        ]
        if reasons:
            verdict.shown_twice.append(text)
            verdict.duplicates.update(reasons)
        if UNEXPLAINED in reasons:
            verdict.unexplained.append(text)

    def _duplicate_reason(self, text: Message, part: int, again: tuple[JournalEntry, JournalEntry]) -> str:
        """Why a part was shown twice: the recorded event between both times."""
        first, second = again
        why = self._repeated_call_reason(text, part, again)
        if why == UNEXPLAINED or second["operation"] not in _REPEATABLE:
            return why
        replaced = first["contact"] != second["contact"] and self._ended.get(first["contact"], inf) <= second["at"]
        return CHAT_ENDED if replaced else UNEXPLAINED

    def _repeated_call_reason(self, text: Message, part: int, again: tuple[JournalEntry, JournalEntry]) -> str:
        first, second = again
        if not first["answered"]:
            return LOST_ANSWER
        between = [
            write
            for write in self._writes[text.key]
            if write.parts_done == part and first["at"] <= write.at <= second["at"]
        ]
        if any(write.outcome == "applied" for write in between):
            return UNEXPLAINED  # the ledger knew
        if self._killed_during(text, first["at"]):
            return KILLED
        return UNWRITTEN if between else UNEXPLAINED

    def _killed_during(self, text: Message, shown_at: float) -> bool:
        """Whether the function that processed this text was killed, perhaps with its call in flight."""
        calls = [batch.invocation for batch in self._batches[text.identity] if batch.invocation]
        last = max((call for call in calls if call.began_at <= shown_at), key=lambda call: call.began_at, default=None)
        return last is not None and last.outcome in UNANSWERED and shown_at <= last.ended_at + IN_FLIGHT

    def _conversations(self) -> list[list[Message]]:
        """Texts that were shown, by conversation, in the order in which they were first shown."""
        found: dict[tuple[str, ...], list[Message]] = defaultdict(list)
        shown = (text for text in self._texts if self._shown[text.number])
        for text in sorted(shown, key=lambda text: self._shown[text.number][0]["n"]):
            found[text.conversation].append(text)
        return list(found.values())

    def _check_order(self, texts: Sequence[Message], verdict: Verdict) -> None:
        record = self._record
        for number, earlier in enumerate(texts):
            for later in texts[number + 1 :]:
                verdict.not_in_sent_order += record.timestamps[earlier.identity] > record.timestamps[later.identity]
                if self._overtook(earlier, later):
                    verdict.out_of_order.append(earlier)
        last = {text.number: self._last_new(self._shown[text.number])["n"] for text in texts}
        for one, next_one in pairwise(texts):
            if last[one.number] > self._shown[next_one.number][0]["n"]:
                verdict.interleaved.append(one)

    def _overtook(self, earlier: Message, later: Message) -> bool:
        """Whether a text overtook one ahead of it in the queue, without a batch that sorted both by time."""
        one, other = earlier.identity, later.identity
        if not self._sequence or self._sequence[one] < self._sequence[other]:
            return False
        stamps = self._record.timestamps
        together = any(other in batch.texts for batch in self._batches[one])
        return not (together and stamps[one] < stamps[other])

    @staticmethod
    def _last_new(entries: Sequence[JournalEntry]) -> JournalEntry:
        """The journal entry that completed the text: the first one of the part that was shown last."""
        firsts: dict[str, JournalEntry] = {}
        for entry in entries:
            firsts.setdefault(entry["content"], entry)
        return max(firsts.values(), key=lambda entry: int(entry["n"]))

    def _first_whole(self, entries: Sequence[JournalEntry]) -> float:
        at: float = self._last_new(entries)["at"]
        return at


def _undelivered(record: Record) -> set[str]:
    return {identity(lost["requestPayload"]["Records"][0]) for lost in record.undelivered}


@dataclass(slots=True, kw_only=True)
class ChatVerdict:
    """Counts of chats. `second`: contacts of chats that began while another chat of their conversation was open.

    `unconnected`: chats that ended before the customer was connected. `miscounted`: the latest contacts of
    conversations whose generation differs from their number of chats.
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


def check_chats(chats: Sequence[Mapping[str, Any]], generations: Mapping[str, int]) -> ChatVerdict:
    """`chats` as the simulator describes them. `generations`: by contact of the conversation's latest chat."""
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
