"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A test says what must hold, not how fast: the machines that run it are shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
