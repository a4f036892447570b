import app  # noqa: F401  (before anything of aws_cdk: it quiets jsii)
