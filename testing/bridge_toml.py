"""Contents of bridge.toml for tests: the shortest one, and each setting with another value than its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EVENTS, CHATS = "+12125550101", "+12125550102"
"""A number of each delivery."""
INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
GOOD = f'[[numbers]]\nnumber = "{EVENTS}"\narn = "{ARN}"\n'
"""The shortest valid file."""
BASE: Mapping[str, Any] = {
    "start_chat": {"instance_arn": INSTANCE, "contact_flow_id": FLOW},
    "numbers": [{"number": EVENTS, "arn": ARN}, {"number": CHATS, "arn": f"{ARN}2", "delivery": "start-chat"}],
}

OTHER_INSTANCE, OTHER_FLOW = INSTANCE.replace("instance/1", "instance/2"), FLOW.replace("abcdef01", "abcdef02")
TOPIC = "arn:aws:sns:us-east-1:111122223333:agents"
BOTH = (f"routes.{EVENTS}", f"routes.{CHATS}")
CHANGES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "delivery": (
        "start-chat",
        {
            f"routes.{EVENTS}.start_chat": {
                "instance_id": INSTANCE.rpartition("/")[2],
                "contact_flow_id": FLOW,
                "chat_minutes": 1500,
                "first_text": "message",
            }
        },
    ),
    "start_chat.instance_arn": (
        OTHER_INSTANCE,
        {f"routes.{CHATS}.start_chat.instance_id": OTHER_INSTANCE.rpartition("/")[2]},
    ),
    "start_chat.contact_flow_id": (OTHER_FLOW, {f"routes.{CHATS}.start_chat.contact_flow_id": OTHER_FLOW}),
    "start_chat.chat_duration": ("2h", {f"routes.{CHATS}.start_chat.chat_minutes": 120}),
    "start_chat.first_text": ("initial-message", {f"routes.{CHATS}.start_chat.first_text": "initial-message"}),
    "chat.display_name": ("SMS {customer}", {f"{route}.display_name": "SMS {customer}" for route in BOTH}),
    "chat.disconnect_keywords": (["ENDE"], {"chat.disconnect_keywords": ["ENDE"]}),
    "chat.show_disconnect_keyword": (False, {"chat.show_disconnect_keyword": False}),
    "chat.empty_message": ("(nothing)", {"chat.empty_message": "(nothing)"}),
    "chat.late_message": ("(late: {sent})", {"chat.late_message": "(late: {sent})"}),
    "chat.body_attribute": ("body", {"chat.body_attribute": "body"}),
    "chat.supported_content_types": (
        ["text/plain", "text/markdown"],
        {"chat.supported_content_types": ["text/plain", "text/markdown"]},
    ),
    "limits.connect_rate": (13, {"limits.connect_rate": 13.0}),
    "limits.start_chat_rate": (13, {"limits.start_chat_rate": 13.0}),
    "limits.connection_rate": (13, {"limits.connection_rate": 13.0}),
    "limits.message_rate": (13, {"limits.message_rate": 13.0}),
    "limits.disconnect_rate": (13, {"limits.disconnect_rate": 13.0}),
    "limits.sms_rate": (13, {"limits.sms_rate": 13.0}),
    "limits.max_lost_answers": (5, {"limits.max_lost_answers": 5}),
    "limits.max_concurrency": (7, {"limits.max_concurrency": 7}),
    "limits.part_length": (512, {"limits.part_length": 512}),
    "limits.mark_late_after": ("20m", {"limits.mark_late_after": 1200.0}),
    "limits.give_up_after": ("5h", {"limits.give_up_after": 18_000.0}),
    "limits.call_timeout": ("4s", {"limits.call_timeout": 4.0}),
    "limits.batch_deadline": ("9s", {"limits.batch_deadline": 9.0}),
    "limits.function_timeout": ("40s", {}),
    "limits.retry_first": ("6s", {"limits.retry_first": 6.0}),
    "limits.retry_longest": ("6m", {"limits.retry_longest": 360.0}),
    "limits.blocked_retry": ("3m", {"limits.blocked_retry": 180.0}),
    "limits.max_receive_count": (777, {}),
    "operation.log_retention_days": (90, {}),
    "operation.log_level": ("DEBUG", {}),
    "operation.alarm_email": ("ops@example.com", {}),
    "operation.expect_texts_every": ("5h", {}),
    "attributes": ({"queue": "sales"}, {f"{route}.attributes": {"queue": "sales"} for route in BOTH}),
    "stack": ("Other", {}),
    "runtime": ("python3.12", {}),
    "numbers.number": (
        "+12125550177",
        {f"routes.{EVENTS}": None, "routes.+12125550177": ...},
    ),
    "numbers.arn": (f"{ARN}7", {f"routes.{EVENTS}.arn": f"{ARN}7"}),
    "numbers.display_name": ("Sales", {f"routes.{EVENTS}.display_name": "Sales"}),
    "numbers.attributes": ({"queue": "own"}, {f"routes.{EVENTS}.attributes": {"queue": "own"}}),
    "numbers.streaming_topic_arn": (TOPIC, {f"routes.{EVENTS}.streaming_topic_arn": TOPIC}),
    "numbers.delivery": ("start-chat", {f"routes.{EVENTS}.start_chat": ...}),
    "numbers.instance_arn": (
        OTHER_INSTANCE,
        {f"routes.{CHATS}.start_chat.instance_id": OTHER_INSTANCE.rpartition("/")[2]},
    ),
    "numbers.contact_flow_id": (OTHER_FLOW, {f"routes.{CHATS}.start_chat.contact_flow_id": OTHER_FLOW}),
}
"""By setting: a value that is not the default, and what it changes in config.json. `...` is any value, None means
removed."""
START_CHAT_ONLY = {"numbers.instance_arn", "numbers.contact_flow_id"}
"""Settings of a number that only apply to start-chat delivery."""
