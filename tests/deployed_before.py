"""What the version before deployed: the resources that hold texts, or that something else points at.

tests/deployed_before.json has their logical ids and types as that commit synthesised them, for one number of either
delivery and for both. It is not to be changed with the code: these resources are in people's accounts.
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
"""The role that End User Messaging publishes in: numbers point at it. Other roles belong to the functions alone."""
KINDS = {kind for resources in BY_CONFIGURATION.values() for kind in resources.values()} - {"AWS::IAM::Role"}
"""CloudFormation makes anew what changes its logical id. Of a queue, topic, table or key the old one stays with what it
holds; a function loses what Lambda holds for it; of a subscription both are one, so that the old one's deletion ends
the new one; a second event source mapping or event invoke configuration is refused."""


def held(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Type by logical id of those resources of a template."""
    types = {name: str(resource["Type"]) for name, resource in resources.items()}
    return {name: kind for name, kind in types.items() if kind in KINDS or name == ROLE}
