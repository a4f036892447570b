"""The archive of the functions."""

from infra.packaging.archive import Archive, PackagingError, build

__all__ = ["Archive", "PackagingError", "build"]
