"""Runs MiniStack, the local AWS, with the sandbox's changes. It needs the Python of .venv-ministack.

1. Each function gets a session token with its name, and its AWS calls are recorded (call_recorder.py).
2. SNS invokes functions asynchronously, as in AWS: a failed invocation is retried twice and then goes to the function's
   on-failure destination. MiniStack's own SNS invokes a function once and ignores a failure.
3. It refuses what AWS refuses (ministack_patches.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, sns

# At the end, so that it hides no module of MiniStack's environment.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from sandbox import ministack_patches
from sandbox.call_recorder import FUNCTION, Recorder


class _AsynchronousLambda:
    """The Lambda service that SNS uses."""

    def __getattr__(self, name: str) -> Any:
        return getattr(lambda_svc, name)

    @staticmethod
    def _execute_function_with_config_scope(function: dict[str, Any], event: dict[str, Any]) -> None:
        lambda_svc.invoke_async_with_retry(function, event)


_credentials = lambda_runtime.execution_credentials


def _credentials_with_name(config: dict[str, Any]) -> dict[str, str]:
    return {**_credentials(config), "AWS_SESSION_TOKEN": f"{FUNCTION}{config['FunctionName']}"}


if __name__ == "__main__":
    sns._lambda_svc = _AsynchronousLambda()
    ministack_patches.install()
    for module in (lambda_runtime, lambda_svc):
        module.execution_credentials = _credentials_with_name
    app.app = Recorder(app.app, Path(os.environ["SANDBOX_CALLS"]))
    app.main()
