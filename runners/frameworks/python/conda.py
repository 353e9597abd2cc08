"""conda's environment.yml as requirements: what is installed for the program itself, by names that PyPI knows too."""

from __future__ import annotations

import re

from runners.frameworks.python.rows import WELL_KNOWN

FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")

_MAX_LINES = 2000
_ITEM = re.compile(r"^([ \t]*)-[ \t]+[\"']?([^#\"'\n]+)")
_PIN = re.compile(r"^(?:[\w-]+::)?([A-Za-z0-9][\w.-]*)[ \t]*(.*)$")
_VERSION = re.compile(r"^[\d.]+(?:\.\*)?$")

# What conda calls otherwise than PyPI does.
_NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "msgpack-python": "msgpack",
    "python-dotenv": "python-dotenv",
}
_NOT_ASKED = ("python", "pip", "setuptools", "wheel")
_SAME = frozenset(WELL_KNOWN.values()) | {"django", "djangorestframework", "xgboost", "lightgbm", "statsmodels"}


def requirements(text: str) -> tuple[list[str], list[str]]:
    """Lines for a requirements file, and the names that only conda is known to have.

    The file is read line by line: a list of names, below `pip:` a list of requirements.  A name that nobody has
    vouched for is never asked of PyPI: there it may be a stranger's."""
    wanted: list[str] = []
    left: list[str] = []
    depth: int | None = None  # of the line `- pip:`
    for line in text.splitlines()[:_MAX_LINES]:
        found = _ITEM.match(line)
        if not found:
            continue
        indent, item = len(found.group(1).expandtabs()), found.group(2).strip()
        if item == "pip:":
            depth = indent
        elif depth is not None and indent > depth:
            wanted.append(item)
        else:
            depth = None
            _take(item, wanted, left)
    return wanted, left


def _take(item: str, wanted: list[str], left: list[str]) -> None:
    found = _PIN.match(item)
    name = found.group(1).lower() if found else ""
    if not found or name in _NOT_ASKED:
        return
    name = _NAMES.get(name, name)
    if name in _SAME:
        wanted.append(name + _pin(found.group(2)))
    elif "-forge" not in name and name != "defaults":
        left.append(name)


def _pin(text: str) -> str:
    """`=3.0` is `==3.0.*`, `=3.0.1=py_0` is `==3.0.1`; what reads otherwise is left to the newest."""
    if text.startswith((">", "<", "!", "~")):
        return text.replace(" ", "") if re.fullmatch(r"[\d.<>=!~, *]+", text) else ""
    version, _, built = text.lstrip("= ").partition("=")
    version = version.strip()
    if not _VERSION.match(version):
        return ""
    exact = built or text.startswith("==") or version.endswith("*")
    return f"=={version}" if exact else f"=={version}.*"
