"""Resources of the previous version that hold texts or that something outside of the stack points at.

tests/deployed_before.json has their logical ids and types as that commit synthesised them, for each delivery and for
both. Do not change it with the code: these resources are in users' accounts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FILE: Mapping[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

COMMIT: str = _FILE["commit"]
BY_CONFIGURATION: Mapping[str, Mapping[str, str]] = {name: of for name, of in _FILE.items() if name != "commit"}
"""Type by logical id; the configurations are default, start-chat and mixed."""
ROLE = "TwoWayChannelRole"
"""Numbers point at this role: End User Messaging publishes with it. Other roles belong to the functions."""
KINDS = {kind for resources in BY_CONFIGURATION.values() for kind in resources.values()} - {"AWS::IAM::Role"}
"""CloudFormation replaces a resource whose logical id changes. A queue, topic, table or key is retained with its
contents. A function loses the events that Lambda holds for it. Deleting the old subscription ends the new one, which is
the same. A second event source mapping or event invoke configuration is rejected."""


def held(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Type by logical id of those resources of a template."""
    types = {name: str(resource["Type"]) for name, resource in resources.items()}
    return {name: kind for name, kind in types.items() if kind in KINDS or name == ROLE}
