"""Service Quotas (`service-quotas`), for those quotas of Amazon Connect that the double plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.double.model import RefusedError

if TYPE_CHECKING:
    from sandbox.double.connect import ContactCentre

Request = dict[str, Any]


def list_service_quotas(centre: ContactCentre, request: Request) -> dict[str, Any]:
    """(?) The rate's name is made as those of the other operations' rates are; its code is made up."""
    if request["ServiceCode"] != "connect":
        raise RefusedError("NoSuchResourceException", "There is no such service")
    centre.note("ListServiceQuotas")
    return {
        "Quotas": [
            {"QuotaName": name, "QuotaCode": code, "ServiceCode": "connect", "Value": float(value)}
            for name, code, value in (
                ("Concurrent active chats per instance", "L-D4BA6F6E", centre.settings.chat_limit),
                ("Rate of SendChatIntegrationEvent API requests", "L-00000001", centre.settings.rate),
            )
        ]
    }


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {"ListServiceQuotas": list_service_quotas}
"""The operations of `service-quotas` that the double plays."""
