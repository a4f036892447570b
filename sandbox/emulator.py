"""MiniStack as the local AWS, run by the Python of its own environment, which has nothing of ours.

Each function gets a session token of its own, and its calls are recorded (sandbox/calls.py).

Its SNS calls a function once and forgets it. AWS hands a notification to an asynchronous invocation, which is tried
twice more and then goes to the function's on-failure destination; MiniStack has that too, so its SNS is led to it.

Where it is laxer than AWS, it is made as strict (sandbox/stricter.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, sns

sys.path.append(str(Path(__file__).resolve().parent.parent))  # last: it replaces no module of MiniStack's environment

from sandbox import stricter
from sandbox.calls import FUNCTION, Recorder


class _Asynchronous:
    """The Lambda service as SNS sees it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(lambda_svc, name)

    @staticmethod
    def _execute_function_with_config_scope(function: dict[str, Any], event: dict[str, Any]) -> None:
        lambda_svc.invoke_async_with_retry(function, event)


_credentials = lambda_runtime.execution_credentials


def _credentials_of_its_own(config: dict[str, Any]) -> dict[str, str]:
    return {**_credentials(config), "AWS_SESSION_TOKEN": f"{FUNCTION}{config['FunctionName']}"}


if __name__ == "__main__":
    sns._lambda_svc = _Asynchronous()
    stricter.install()
    for module in (lambda_runtime, lambda_svc):
        module.execution_credentials = _credentials_of_its_own
    app.app = Recorder(app.app, Path(os.environ["SANDBOX_CALLS"]))
    app.main()
