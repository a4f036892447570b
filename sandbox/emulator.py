"""MiniStack as the local AWS, run by the Python of its own environment, which has nothing of ours.

Its SNS calls a function once and forgets it. AWS hands a notification to an asynchronous invocation, which is tried
twice more and then goes to the function's on-failure destination; MiniStack has that too, so its SNS is led to it.

Where it is laxer than AWS, it is made as strict (sandbox/stricter.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import lambda_svc, sns

sys.path.append(str(Path(__file__).resolve().parent.parent))  # last: it replaces no module of MiniStack's environment

from sandbox import stricter


class _Asynchronous:
    """The Lambda service as SNS sees it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(lambda_svc, name)

    @staticmethod
    def _execute_function_with_config_scope(function: dict[str, Any], event: dict[str, Any]) -> None:
        lambda_svc.invoke_async_with_retry(function, event)


if __name__ == "__main__":
    sns._lambda_svc = _Asynchronous()
    stricter.install()
    app.main()
