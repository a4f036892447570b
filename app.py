"""The CDK app: configuration -> stack -> checks -> synth. It needs no access to AWS.

`cdk synth`, `cdk deploy`; another configuration with `-c config=path/to/bridge.toml`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# jsii prints long warnings about Node.js versions; the CDK CLI itself reports a version that is too old. Versions past
# their end of life must be listed.
os.environ["JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION"] = "1"
os.environ["JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION"] = "1"
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = ",".join(map(str, range(20, 40)))

import aws_cdk as cdk
from aws_cdk import aws_lambda

from infra import checks, packaging
from infra.config import BridgeConfig, ConfigError, load
from infra.stack import BridgeStack


def bridge(app: cdk.App, *, config: BridgeConfig) -> BridgeStack:
    """The stack of a configuration, with its checks.

    The CDK deploys it only to the account and Region of the numbers, whatever the profile. A sandbox has its own
    account for any numbers: `-c sandbox=ACCOUNT/REGION`.
    """
    account, region = config.location.account, config.location.region
    if sandbox := app.node.try_get_context("sandbox"):
        account, region = sandbox.split("/")
    archive = packaging.build(config=config.runtime_json(), runtime=config.runtime)
    code = aws_lambda.Code.from_asset(str(archive.folder), asset_hash=archive.fingerprint)
    stack = BridgeStack(app, "Bridge", config=config, code=code, env=cdk.Environment(account=account, region=region))
    checks.attach(app, limits=config.limits)
    return stack


def main() -> None:
    app = cdk.App(analytics_reporting=False)
    path = Path(app.node.try_get_context("config") or "bridge.toml")
    try:
        config = load(path)
        bridge(app, config=config)
    except (ConfigError, packaging.PackagingError) as error:
        sys.exit(str(error))
    if note := config.note():
        sys.stderr.write(f"{path}: {note}\n")
    app.synth()


if __name__ == "__main__":
    main()
