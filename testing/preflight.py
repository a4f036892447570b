"""What tests of `bridge doctor` share."""

from __future__ import annotations

from pathlib import Path

from ops.doctor.preflight import Preflight
from ops.target import Target

NUMBERS = """
[[numbers]]
number = "+12125550101"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""


def preflight() -> Preflight:
    """Of a stack that nothing is known of yet."""
    target = Target(where="stack S in us-east-1", outputs={}, session=None, stack="S", region="us-east-1")
    return Preflight(target=target, config_path=Path("bridge.toml"))
