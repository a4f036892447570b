"""What a bridge was deployed from: the settings in its functions' archive."""

from __future__ import annotations

import io
import zipfile

import httpx

from bridge.config import Config
from ops.target import Target, TargetError, aws_errors


def deployed_config(target: Target) -> Config:
    """The settings that forward has. Raises TargetError."""
    with aws_errors(target):
        code = target.client("lambda").get_function(FunctionName=target.outputs["ForwardFunctionName"])["Code"]
    try:
        with httpx.Client(trust_env=target.sandbox is None, timeout=30) as http:
            archive = http.get(code["Location"]).raise_for_status().content
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            return Config.from_json(files.read("bridge/config.json").decode())
    except (httpx.HTTPError, zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise TargetError(f"{target.where} does not show its settings: {type(exc).__name__}") from exc
