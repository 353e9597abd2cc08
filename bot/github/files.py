"""A file as GitHub's contents API gives it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import GitHubDown, SlipwayError

AS_OBJECT = "application/vnd.github.object+json"  # folders, too, come as one object


class NotAFile(SlipwayError):
    """Under that path there is something else, or too much; the text says what, after "it is"."""


@dataclass(frozen=True, slots=True)
class File:
    """`sha`: git's hash of the content."""

    sha: str
    content: bytes


def file_of(raw: Mapping[str, Any]) -> File:
    """Raises NotAFile, and GitHubDown for what is no answer of GitHub's."""
    kind, sha, content = raw.get("type"), raw.get("sha"), raw.get("content")
    if kind != "file":
        known = {"dir": "a folder", "symlink": "a symbolic link", "submodule": "a submodule"}
        raise NotAFile(f"{known.get(str(kind), 'no file')}, not a file")
    if raw.get("encoding") == "none":  # above a megabyte
        raise NotAFile("too large")
    if raw.get("encoding") != "base64" or not isinstance(content, str) or not isinstance(sha, str):
        raise GitHubDown("GitHub's answer holds no file.")
    try:
        return File(sha, base64.b64decode(content))
    except (binascii.Error, ValueError) as error:
        raise GitHubDown("GitHub's answer holds a file that can't be read.") from error
