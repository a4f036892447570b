"""The CDK app: configuration -> stack -> checks -> synth. Needs no AWS access.

`cdk synth`, `cdk deploy`; another configuration with `-c config=path/to/bridge.toml`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# jsii warns in ten lines of every Node.js that it was not tested with or that is old; the CDK CLI says so itself.
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = ",".join(str(major) for major in range(18, 40))

import aws_cdk as cdk
from aws_cdk import aws_lambda

from infra import checks
from infra.config import ConfigError, load
from infra.packaging import PackagingError, build
from infra.stack import BridgeStack


def main() -> None:
    app = cdk.App(analytics_reporting=False)
    try:
        config = load(Path(app.node.try_get_context("config") or "bridge.toml"))
        archive = build(config=config.runtime_json(), runtime=config.runtime)
    except (ConfigError, PackagingError) as error:
        sys.exit(str(error))
    code = aws_lambda.Code.from_asset(str(archive.folder), asset_hash=archive.fingerprint)
    BridgeStack(app, "Bridge", config=config, code=code)
    checks.attach(app)
    app.synth()


if __name__ == "__main__":
    main()
