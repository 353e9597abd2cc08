"""What the tools of many languages are told, wherever a project is built: variables and where downloads are kept."""

from __future__ import annotations

from collections.abc import Mapping

from runners.base import Plan

# A variable that names a folder of downloads, and what we call that folder: one per trust domain.
DOWNLOADS: Mapping[str, str] = {
    "GOMODCACHE": "go-mod",
    "GOCACHE": "go-build",
    "CARGO_HOME": "cargo",
    "COMPOSER_HOME": "composer",
    "BUNDLE_USER_CACHE": "bundle",
    "GRADLE_USER_HOME": "gradle",
    "NUGET_PACKAGES": "nuget",
    "PUB_CACHE": "pub",
    "STACK_ROOT": "stack",
}
QUIET: Mapping[str, str] = {
    "GOFLAGS": "-modcacherw -buildvcs=false",
    "COMPOSER_NO_INTERACTION": "1",
    "BUNDLE_SILENCE_ROOT_WARNING": "1",
    "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
    "DOTNET_NOLOGO": "1",
}
_LAYERED = frozenset({"python", "node"})


def maven(folder: str) -> dict[str, str]:
    """Maven has no variable of its own for where it keeps downloads."""
    return {"MAVEN_OPTS": f"-Dmaven.repo.local={folder}"}


def in_tree(plan: Plan) -> tuple[str, ...]:
    """Install lines that run in the tree that is built and run, not in a dependency layer beside it."""
    return () if plan.language in _LAYERED else plan.install
