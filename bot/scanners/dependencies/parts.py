"""Small readings that Python's and Node's files have in common.  Whatever a file holds, they raise Broken at most."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_HOST = re.compile(r"(?:[a-z0-9]+\+)?(?:https?|ssh|git|ftp)://(?:[^/\s@]*@)?([A-Za-z0-9.-]{1,253})", re.IGNORECASE)


class Broken(ValueError):
    """A file, or an answer, can't be read; the words say why, without quoting it."""


def table(value: object) -> Mapping[str, Any]:
    """The value when it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def parsed_json(text: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Broken("is no JSON") from error
    if not isinstance(value, dict):
        raise Broken("is no JSON object")
    return value


def host(address: str) -> str | None:
    """The host of an address, without what may be secret in it."""
    found = _HOST.match(address.strip())
    return found[1].lower() if found else None
