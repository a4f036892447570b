"""Lambda functions as processes of the runtime interface client, each with its own Runtime API.

Source: "Using the Lambda runtime API for custom runtimes" and "Understanding the Lambda execution environment
lifecycle" in the AWS Lambda developer guide. An environment takes one invocation at a time and stays warm. If it dies
or exceeds the function's timeout, its invocation fails and a new environment replaces it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from testing.http_server import Answer, Request, Server

_API = "/2018-06-01/runtime"
_ARN = "arn:aws:lambda:us-east-1:111122223333:function"
_ACCEPTED = Answer(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

Outcome = Literal["answered", "error", "killed", "timed out", "init error"]


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One event in one environment. Times in seconds since the epoch; `result` is what the function returned."""

    function: str
    event: Any = field(repr=False)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    environment: str = ""
    began_at: float = 0.0
    ended_at: float = 0.0
    outcome: Outcome | None = None
    error: str = ""
    result: Any = None


class Environment:
    """One execution environment: a process and its Runtime API."""

    def __init__(self, function: Function, name: str) -> None:
        self.name = name
        self._function = function
        self._server = Server(self._api)
        self._process: asyncio.subprocess.Process | None = None
        self._folder = function.folder
        self._work: asyncio.Future[Invocation] | None = None
        self._current: Invocation | None = None
        self._done: asyncio.Event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._init_failed: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        await self._server.start()
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def close(self) -> None:
        self._closing = True
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._server.close()

    @property
    def busy(self) -> bool:
        return self._current is not None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def kill(self, why: Outcome = "killed") -> None:
        """SIGKILL the process."""
        current = self._current
        if current and current.outcome is None:
            current.outcome = why
        if self.running and self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def restart(self) -> None:
        """After a deploy: finish the current invocation, then start a new process."""
        if self._init_failed is not None:
            self._init_failed = None
            self._done.set()
        elif self._current is None:
            self.kill()

    def begin(self, invocation: Invocation) -> None:
        """Start an invocation; requires `is_ready`. If the last init failed, the invocation fails with that error."""
        invocation.environment = self.name
        invocation.began_at = time.time()
        self._current = invocation
        if self._init_failed is not None:
            invocation.outcome, invocation.error = "init error", self._init_failed
            self._init_failed = None
            self._finish()
            self._done.set()
            return
        assert self._work is not None
        self._timer = asyncio.get_running_loop().call_later(self._function.timeout, self.kill, "timed out")
        self._work.set_result(invocation)

    @property
    def is_ready(self) -> bool:
        return self._current is None and (
            self._init_failed is not None or (self.running and self._work is not None and not self._work.done())
        )

    async def _run(self) -> None:
        while not self._closing:
            self._folder = self._function.folder
            self._work = None
            with (self._function.logs / f"{self.name}.log").open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    str(self._function.python),
                    *("-m", "awslambdaric", self._function.handler),
                    cwd=self._folder,
                    env=dict(self._function.environment(self._folder, self._server.port)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            try:
                await self._process.wait()
            finally:
                if self._process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        self._process.kill()
                    await self._process.wait()
            if self._current:
                self._current.outcome = self._current.outcome or "error"
                self._current.error = self._current.error or "Runtime.ExitError"
                self._finish()
            if self._init_failed is not None and not self._closing:
                # Lambda starts an environment for an invocation: without an invocation it does not try again.
                self._done.clear()
                self._function.idle(self)
                await self._done.wait()

    def _finish(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        invocation, self._current = self._current, None
        if invocation:
            invocation.ended_at = time.time()
            self._function.finished(invocation)

    async def _api(self, request: Request) -> Answer | None:
        if request.path == f"{_API}/invocation/next":
            return await self._next()
        if request.path == f"{_API}/init/error":
            self._init_failed = str(json.loads(request.body).get("errorMessage"))
            return _ACCEPTED
        request_id, _, what = request.path.removeprefix(f"{_API}/invocation/").partition("/")
        current = self._current
        if current is None or current.request_id != request_id or current.outcome is not None:
            return Answer(400, b"{}")
        if what == "response":
            current.outcome, current.result = "answered", json.loads(request.body)
        else:
            said = json.loads(request.body)
            current.outcome = "error"
            current.error = f"{said.get('errorType')}: {said.get('errorMessage')}"
        self._finish()
        return _ACCEPTED

    async def _next(self) -> Answer | None:
        if self._folder != self._function.folder:
            self.kill()
            return None
        self._work = asyncio.get_running_loop().create_future()
        self._function.idle(self)
        invocation = await self._work
        deadline = int((time.time() + self._function.timeout) * 1000)
        return Answer(
            200,
            json.dumps(invocation.event).encode(),
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": f"{_ARN}:{invocation.function}",
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
            },
        )


class Function:
    """A function with a fixed number of environments. `timeout` in seconds. `record`: called after every invocation."""

    def __init__(
        self,
        *,
        name: str,
        handler: str,
        folder: Path,
        python: Path,
        variables: Mapping[str, str],
        timeout: float,
        environments: int,
        logs: Path,
        record: Callable[[Invocation], None],
    ) -> None:
        self.name, self.handler, self.folder, self.python = name, handler, folder, python
        self.timeout, self.logs = timeout, logs
        self._variables = dict(variables)
        self._record = record
        self._idle: asyncio.Queue[Environment] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Future[Invocation]] = {}
        self.environments = [Environment(self, f"{name}-{number}") for number in range(environments)]

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(environment.open() for environment in self.environments))
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(environment.close() for environment in self.environments))

    async def warm(self) -> None:
        """Wait until every environment is ready."""
        while not all(environment.is_ready for environment in self.environments):
            await asyncio.sleep(0.05)

    @property
    def busy(self) -> bool:
        return any(environment.busy for environment in self.environments)

    def deploy(self, folder: Path) -> None:
        """Run the code of `folder` from now on; current invocations are finished first."""
        self.folder = folder
        for environment in self.environments:
            environment.restart()

    async def free(self) -> Environment:
        """Wait for an environment that is ready. The caller owns it and must invoke."""
        while True:
            environment = await self._idle.get()
            if environment.is_ready:
                return environment

    async def invoke(self, event: Any, on: Environment | None = None) -> Invocation:
        """Wait for a free environment and for the end of the invocation, whatever its outcome."""
        environment = on
        while environment is None or not environment.is_ready:  # it may have been killed since
            environment = await self.free()
        invocation = Invocation(function=self.name, event=event)
        ended: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        self._waiting[invocation.request_id] = ended
        environment.begin(invocation)
        return await ended

    def idle(self, environment: Environment) -> None:
        self._idle.put_nowait(environment)

    def finished(self, invocation: Invocation) -> None:
        self._record(invocation)
        self._waiting.pop(invocation.request_id).set_result(invocation)

    def environment(self, folder: Path, port: int) -> Mapping[str, str]:
        """See "Defined runtime environment variables" in the AWS Lambda developer guide."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self.logs),
            "LAMBDA_TASK_ROOT": str(folder),
            "LAMBDA_RUNTIME_DIR": str(folder),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python",
            "_HANDLER": self.handler,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "111122223333",
            "AWS_SECRET_ACCESS_KEY": "faults",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._variables,
        }
