"""poetry.lock, pdm.lock and Pipfile.lock as hashed requirements, so that one installer serves every manager."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

NAME = "requirements.locked.txt"  # laid beside the manifests

_CARET = re.compile(r"^(\^|~=?|==|>=|<=|>|<|!=|)\s*v?(\d[\w.+!-]*(?:\.\*)?|\*)$")


def from_toml(lock: Mapping[str, Any]) -> str | None:
    """The main group of a poetry.lock or pdm.lock; None when it has packages that no index knows."""
    packages = lock.get("package")
    if not isinstance(packages, list):
        return None
    old_hashes = _table(_table(lock, "metadata"), "files")
    wanted = [package for package in packages if isinstance(package, dict) and _is_main(package)]
    if any(map(_lies_elsewhere, wanted)):
        return None
    return "".join(sorted({_pinned(package, old_hashes) for package in wanted}))


def from_pipfile(text: str) -> str | None:
    """The default section of a Pipfile.lock; None when it has packages that no index knows."""
    try:
        default = json.loads(text)["default"]
        lines = []
        for name, package in default.items():
            if "version" not in package:
                return None
            extras = f"[{','.join(package['extras'])}]" if package.get("extras") else ""
            pin = f"{name}{extras}{package['version']}"
            lines.append(_line(pin, package.get("markers"), package.get("hashes", ())))
        return "".join(sorted(lines))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _is_main(package: Mapping[str, Any]) -> bool:
    """It is installed for the program itself, always."""
    named = "version" in package and "name" in package
    return named and package.get("optional") is not True and not _groups(package).isdisjoint({"main", "default"})


def _lies_elsewhere(package: Mapping[str, Any]) -> bool:
    return _table(package, "source").get("type") in ("directory", "git", "file", "url") or bool(package.get("path"))


def _pinned(package: Mapping[str, Any], old_hashes: Mapping[str, Any]) -> str:
    files = package.get("files") or old_hashes.get(str(package["name"]))
    listed = files if isinstance(files, list) else []
    hashes = [str(file["hash"]) for file in listed if isinstance(file, dict) and "hash" in file]
    return _line(f"{package['name']}=={package['version']}", _marker(package), hashes)


def _groups(package: Mapping[str, Any]) -> set[str]:
    groups = package.get("groups") or [package.get("category") or "main"]
    return {str(group) for group in groups} if isinstance(groups, list) else set()


def _marker(package: Mapping[str, Any]) -> str | None:
    marker = package.get("marker") or package.get("markers")
    if isinstance(marker, dict):
        marker = marker.get("main") or marker.get("default")
    return marker if isinstance(marker, str) else None


def _line(pin: str, marker: str | None, hashes: Iterable[str]) -> str:
    tail = "".join(f" \\\n    --hash={one}" for one in hashes)
    return f"{pin}{f' ; {marker}' if marker else ''}{tail}\n".replace("\0", "")


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, Mapping) else {}


def requirement(name: str, wanted: object) -> str | None:
    """One entry of Poetry's dependencies or of a Pipfile's packages as a requirement; None: optional, or not from afar.

    `^1.2` is `>=1.2,<2`, `~1.2` is `>=1.2,<1.3`, `*` is any."""
    if isinstance(wanted, str):
        return name + ",".join(filter(None, map(_range, wanted.split(","))))
    if not isinstance(wanted, dict) or wanted.get("optional") is True or "path" in wanted or "file" in wanted:
        return None
    extras = ",".join(map(str, wanted.get("extras", ())))
    name = f"{name}[{extras}]" if extras else name
    if "git" in wanted:
        return _from_git(name, wanted)
    found = requirement(name, str(wanted.get("version", "*")))
    marker = wanted.get("markers")
    return f"{found} ; {marker}" if found and marker else found


def _from_git(name: str, wanted: Mapping[str, Any]) -> str:
    ref = next((wanted[key] for key in ("rev", "tag", "branch", "ref") if wanted.get(key)), None)
    return f"{name} @ git+{wanted['git']}{f'@{ref}' if ref else ''}"


def _range(text: str) -> str:
    text = text.strip()
    found = _CARET.match(text)
    if not found or found.group(2) == "*":
        return "" if text in ("", "*") or (found and found.group(2) == "*") else text
    sign, version = found.groups()
    if sign == "" and not version.endswith("*"):
        return f"=={version}"
    if sign == "^" or sign == "~":
        return f">={version},<{_above(version, caret=sign == '^')}"
    return f"{sign or '=='}{version}"


def _above(version: str, *, caret: bool) -> str:
    numbers = [int(n) for n in re.findall(r"\d+", version)[:3]]
    first = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
    keep = first + 1 if caret else min(2, len(numbers))
    kept = numbers[:keep]
    kept[-1] += 1
    return ".".join(map(str, kept))
