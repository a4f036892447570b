"""What to do about each kind of trouble that a text can have failed with."""

from __future__ import annotations

from collections.abc import Mapping

from bridge import errors
from ops.failed.letters import MOVED_BY_SQS
from ops.failed.parcels import NOT_HANDED_OVER, NOT_TAKEN

_AGAIN = "then redrive."
ADVICE: Mapping[str, str] = {
    errors.MalformedNotificationError.__name__: (
        "It is no SMS as AWS documents it, and no try will change that. If it is a text all the same, the bridge has "
        f"to learn to read it: deploy that, {_AGAIN} Otherwise discard it."
    ),
    errors.UnknownNumberError.__name__: (
        "Add a [[numbers]] block for the number that was texted to bridge.toml (bridge numbers prints it), deploy, "
        f"{_AGAIN} If the number is none of yours, discard it and see which number points here."
    ),
    errors.RejectedError.__name__: (
        "Connect or End User Messaging says that this very request is wrong, and will say so again: look at what is "
        f"special about it (attributes, display name, length), change bridge.toml, deploy, {_AGAIN} Or discard it."
    ),
    errors.NotDeliverableError.__name__: (
        "This phone gets no text: the reason says why, and the agent was told. If it can be mended (spending limit, "
        f"country, opt-in), mend it, {_AGAIN} Otherwise discard it."
    ),
    errors.UnknownChatError.__name__: (
        "The bridge did not start this chat, or it began more than a week ago, so nobody knows the phone. Discard it."
    ),
    errors.ThrottledError.__name__: (
        "Connect or End User Messaging wanted fewer calls for longer than limits.give_up_after: have the quota raised, "
        "then redrive with --rate."
    ),
    errors.UnavailableError.__name__: (
        "Connect or End User Messaging did not answer for longer than limits.give_up_after. When it does, redrive."
    ),
    errors.LedgerError.__name__: (
        "DynamoDB did not answer for longer than limits.give_up_after. When it does again (bridge doctor), redrive."
    ),
    errors.QueueError.__name__: "SQS did not answer. When it does again (bridge doctor), redrive.",
    errors.ChatNotKnownYetError.__name__: (
        "The reply was given up before its chat was noted: limits.give_up_after is too short. Redrive."
    ),
    errors.OutOfTimeError.__name__: "There was no room for it at the rate of calls. Redrive.",
    errors.UnexpectedError.__name__: (
        f"A defect of the bridge: forward's log has where, under the text key. Deploy what mends it, {_AGAIN}"
    ),
    errors.AccessRefusedError.__name__: (
        f"Connect or End User Messaging refuses this account or role: bridge doctor says what to change, {_AGAIN}"
    ),
    errors.NotFoundError.__name__: (
        "Connect or End User Messaging does not know the number, instance or flow: bridge doctor says which. Mend it, "
        f"deploy if it is bridge.toml, {_AGAIN}"
    ),
    errors.ChatLimitError.__name__: (
        "The instance had no room for another chat: end chats, shorten them, or have the quota raised, then redrive "
        "with --rate."
    ),
    MOVED_BY_SQS: (
        "The function ended without a word each time it had this text: its log and its metrics Errors and Throttles "
        f"say more. Mend that, {_AGAIN}"
    ),
    NOT_HANDED_OVER: (
        f"SNS could not hand it to its function: bridge doctor looks at function and permission. Mend that, {_AGAIN}"
    ),
    NOT_TAKEN: "The function failed each time it had this; the entry says with which error. Mend that, then redrive.",
}
"""By error code."""
