"""Versions, as far as ranges of advisories need them: PEP 440 and semver."""

from __future__ import annotations

import re

from bot.scanners.dependencies.dependency import Ecosystem

Key = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]

_PIP = re.compile(
    r"v?(?:(\d{1,9})!)?(\d{1,18}(?:\.\d{1,18}){0,30})"
    r"(?:[-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?(\d{0,18}))?"
    r"(?:-(\d{1,18})|[-_.]?(post|rev|r)[-_.]?(\d{0,18}))?"
    r"(?:[-_.]?(dev)[-_.]?(\d{0,18}))?(?:\+[a-z0-9._-]*)?"
)
_NPM = re.compile(r"[v=]*(\d{1,18}(?:\.\d{1,18}){0,3})(?:-([0-9a-z.-]{1,128}))?(?:\+[0-9a-z.-]*)?")
_STAGES = {"a": "a", "alpha": "a", "b": "b", "beta": "b", "c": "rc", "rc": "rc", "pre": "rc", "preview": "rc"}
_BOUND = re.compile(r"\s*(<=|>=|<|>|==?)?\s*([^\s,<>=]+)\s*")
_FINAL = (1, 0, "")  # after every stage before the release, before what comes after it


def key(ecosystem: Ecosystem, version: str) -> Key | None:
    """What versions are sorted by.  None: nobody can say."""
    text = version.strip().lower()
    return _pip(text) if ecosystem == "pip" else _npm(text)


def canonical(ecosystem: Ecosystem, version: str) -> str:
    """The same text for the same version: 1.0 and 1.0.0, 2.0rc1 and 2.0-rc.1."""
    text = version.strip().lower()
    if ecosystem == "npm":
        return text.lstrip("v=").partition("+")[0]
    found = key("pip", text)
    return repr(found) + text.partition("+")[2] if found else text


def within(ecosystem: Ecosystem, version: str, bounds: str) -> bool | None:
    """Whether a version lies in a range (`>= 2.0, < 2.3`).  None: nobody can say."""
    ours = key(ecosystem, version)
    if ours is None:
        return None
    for part in bounds.split(","):
        found = _BOUND.fullmatch(part)
        theirs = key(ecosystem, found[2]) if found else None
        if found is None or theirs is None:
            return None
        sign = found[1] or "="
        holds = ours == theirs if sign[0] == "=" else ours < theirs if sign[0] == "<" else ours > theirs
        if not holds and not (sign[1:] == "=" and ours == theirs):
            return False
    return True


def _pip(text: str) -> Key | None:
    found = _PIP.fullmatch(text)
    if found is None:
        return None
    epoch, release, stage, stage_number, bare_post, post, post_number, dev, dev_number = found.groups()
    parts: list[tuple[int, int, str]] = []
    if stage:
        parts.append((0, int(stage_number or 0), _STAGES[stage]))
    elif dev and not (post or bare_post):
        parts.append((-1, 0, ""))
    else:
        parts.append(_FINAL)
    parts.append((1, int(bare_post or post_number or 0), "") if bare_post or post else (0, 0, ""))
    parts.append((-1, int(dev_number or 0), "") if dev else (0, 0, ""))
    if stage:  # a1 < b1 < rc1: the stage counts before its number
        parts[0] = (0, {"a": 0, "b": 1, "rc": 2}[_STAGES[stage]], "")
        parts.insert(1, (0, int(stage_number or 0), ""))
    else:
        parts.insert(1, (0, 0, ""))
    return (int(epoch or 0), *_release(release)), tuple(parts)


def _npm(text: str) -> Key | None:
    found = _NPM.fullmatch(text)
    if found is None:
        return None
    release, stage = found.groups()
    if not stage:
        return (0, *_release(release)), (_FINAL,)
    bits = stage.split(".")
    return (0, *_release(release)), tuple((0, int(bit), "") if bit.isdigit() else (0, 10**18, bit) for bit in bits)


def _release(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
