"""Whether each conversation had one chat at a time, by the double's chats; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


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
