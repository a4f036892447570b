"""What the account has: phone numbers and pools of End User Messaging, and instances of Amazon Connect.

The controls under /_simulator/ take and return these models as JSON.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field

REGION, ACCOUNT = "us-east-1", "111122223333"
INSTANCE = "12345678-1234-1234-1234-123456789012"
"""The instance of all chats."""
PHONE_NUMBER_ARN = regex.compile(r"arn:aws[\w-]*:sms-voice:[a-z0-9-]+:\d{12}:phone-number/[\w-]+")
E164 = regex.compile(r"\+[1-9][0-9]{1,14}")
SHORT_CODE = regex.compile(r"[1-9][0-9]{4,5}")


class _Resource(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Pool(_Resource):
    """Phone numbers that share their two-way settings."""

    id: str
    two_way: bool = False
    channel: str | None = None
    role: str | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "PoolArn": f"arn:aws:sms-voice:{REGION}:{ACCOUNT}:pool/{self.id}",
            "PoolId": self.id,
            "Status": "ACTIVE",
            "MessageType": "TRANSACTIONAL",
            "TwoWayEnabled": self.two_way,
            "TwoWayChannelArn": self.channel,
            "TwoWayChannelRole": self.role,
            "SelfManagedOptOutsEnabled": False,
            "OptOutListName": "Default",
            "SharedRoutesEnabled": False,
            "DeletionProtectionEnabled": False,
            "CreatedTimestamp": 0,
        }


class Number(_Resource):
    """A business number."""

    number: str = Field(pattern=f"^({E164.pattern}|{SHORT_CODE.pattern})$")
    arn: str = Field(pattern=f"^{PHONE_NUMBER_ARN.pattern}$")
    status: Literal["PENDING", "ACTIVE", "ASSOCIATING", "DISASSOCIATING", "DELETED"] = "ACTIVE"
    capabilities: list[Literal["SMS", "VOICE", "MMS"]] = ["SMS"]
    two_way_possible: bool = True
    """Whether its country supports two-way SMS."""
    pool: str | None = None
    two_way: bool = False
    channel: str | None = None
    role: str | None = None
    self_managed_opt_outs: bool = False
    opt_out_list: str = "Default"
    deletion_protection: bool = False
    tags: dict[str, str] = {}
    created_at: float = Field(default=0, exclude=True)

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    def describe(self) -> dict[str, Any]:
        return {
            "PhoneNumberArn": self.arn,
            "PhoneNumberId": self.id,
            "PhoneNumber": self.number,
            "Status": self.status,
            "IsoCountryCode": "US" if self.number.startswith("+1") or SHORT_CODE.fullmatch(self.number) else "GB",
            "MessageType": "TRANSACTIONAL",
            "NumberCapabilities": self.capabilities,
            "NumberType": "LONG_CODE" if self.number.startswith("+") else "SHORT_CODE",
            "MonthlyLeasingPrice": "1.00",
            "TwoWayEnabled": self.two_way,
            "TwoWayChannelArn": self.channel,
            "TwoWayChannelRole": self.role,
            "SelfManagedOptOutsEnabled": self.self_managed_opt_outs,
            "OptOutListName": self.opt_out_list,
            "DeletionProtectionEnabled": self.deletion_protection,
            "PoolId": self.pool,
            "CreatedTimestamp": self.created_at,
        }


class Flow(_Resource):
    id: str
    name: str = "Texts"
    type: Literal["CONTACT_FLOW", "CUSTOMER_QUEUE", "CUSTOMER_HOLD", "AGENT_WHISPER", "QUEUE_TRANSFER"] = "CONTACT_FLOW"
    state: Literal["ACTIVE", "ARCHIVED"] = "ACTIVE"
    status: Literal["PUBLISHED", "SAVED"] = "PUBLISHED"


class ImportedNumber(_Resource):
    """A number of End User Messaging (`arn`) that Connect uses, with the flow that its chats start."""

    arn: str
    flow: str | None = None
    status: Literal["CLAIMED", "IN_PROGRESS", "FAILED"] = "CLAIMED"

    @property
    def id(self) -> str:
        """Connect's own id of the number."""
        digits = hashlib.sha256(self.arn.encode()).hexdigest()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


class Instance(_Resource):
    id: str
    status: Literal["CREATION_IN_PROGRESS", "ACTIVE", "CREATION_FAILED"] = "ACTIVE"
    flows: list[Flow] = []
    numbers: list[ImportedNumber] = []

    @property
    def arn(self) -> str:
        return f"arn:aws:connect:{REGION}:{ACCOUNT}:instance/{self.id}"

    def flow(self, flow_id: str) -> Flow | None:
        """By its id or its ARN."""
        return next((flow for flow in self.flows if flow.id == flow_id.rpartition("/")[2]), None)
