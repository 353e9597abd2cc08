"""A bill of materials: CycloneDX 1.5."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from bot.scanners.dependencies.dependency import Dependency, Ecosystem

TYPES: dict[Ecosystem, str] = {"pip": "pypi", "npm": "npm"}
_ECOSYSTEMS = {word: ecosystem for ecosystem, word in TYPES.items()}
_PURL = re.compile(r"pkg:(pypi|npm)/([^@]+)(?:@([^@]+))?")


def sbom(every: Sequence[Dependency], name: str, version: str, at: float) -> dict[str, Any]:
    """What `name` at `version` (a commit) is made of.  The same content has the same serial number at any time."""
    dated = {(one.ecosystem, one.name) for one in every if one.version}
    meant = [one for one in every if one.version or (one.ecosystem, one.name) not in dated]
    direct = {(one.ecosystem, one.name) for one in every if one.direct}
    parts = {purl(one): one for one in sorted(meant, key=lambda one: (one.ecosystem, one.name, one.version or ""))}
    root = f"{name}@{version}"
    components = [_component(ref, one) for ref, one in parts.items()]
    first = [ref for ref, one in parts.items() if (one.ecosystem, one.name) in direct]
    content = {
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": first}],
    }
    digest = hashlib.sha256(json.dumps([root, content], sort_keys=True).encode()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32], version=5)}",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "slipway"}]},
            "component": {"type": "application", "bom-ref": root, "name": name, "version": version},
        },
        **content,
    }


def purl(one: Dependency) -> str:
    """The address that everybody knows a package by."""
    at = f"@{quote(one.version, safe='')}" if one.version else ""
    return f"pkg:{TYPES[one.ecosystem]}/{quote(one.name, safe='/.-_~')}{at}"


def listed(raw: Mapping[str, Any]) -> list[Dependency]:
    """The names of a list that `sbom` made, with their versions; which file named them it does not say."""
    return [one for part in raw["components"] if (one := _listed(str(part.get("purl")))) is not None]


def _listed(ref: str) -> Dependency | None:
    found = _PURL.fullmatch(ref)
    if found is None:
        return None
    name, version = unquote(found[2]), unquote(found[3]) if found[3] else None
    return Dependency(_ECOSYSTEMS[found[1]], name, version, "", 0, direct=False)


def _component(ref: str, one: Dependency) -> dict[str, Any]:
    scope, _, name = one.name.rpartition("/")
    found: dict[str, Any] = {"type": "library", "bom-ref": ref, "name": name, "purl": ref}
    if scope:
        found["group"] = scope
    if one.version:
        found["version"] = one.version
    return found
