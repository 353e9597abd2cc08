"""Several services behind one hostname: which of them a request is for, and what it is asked.

The choice and what the service sees are made from the same text, so they can't disagree: names are compared segment
by segment, each decoded once, and a path with `.` or `..` in it is made plain first (no browser sends one).
"""

from __future__ import annotations

import dataclasses
from urllib.parse import unquote

from runners.base import Mount, Target


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """Where a request goes on to, and with which path and query."""

    target: Target
    path: str
    prefix: str = ""  # what was taken away from the path, as the mount has it


def way(target: Target, raw: str) -> Way | None:
    """The longest mount that a request's path (as it came) lies below, whole segments only; None: there is none."""
    path, mark, query = origin(raw).partition("?")
    segments = path.split("/")[1:]
    names = [unquote(one) for one in segments]
    if "." in names or ".." in names:
        segments = _plain(segments, names)
        names = [unquote(one) for one in segments]
        path = "/" + "/".join(segments)
    best: Mount | None = None
    for one in target.mounts:
        if _below(names, one.path) and (best is None or len(one.path) > len(best.path)):
            best = one
    if best is None:
        return None
    if not best.strip or best.path == "/":
        return Way(best.target, path + mark + query)
    rest = segments[best.path.count("/") :]
    # "//host" would be another host's to whoever reads it as an address.
    return Way(best.target, "/" + "/".join(rest).lstrip("/") + mark + query, best.path)


def origin(raw: str) -> str:
    """A request's path and query; in the absolute form, whom it is for was decided by Host."""
    return raw if raw.startswith("/") else "/" + raw.partition("://")[2].partition("/")[2]


def returned(location: str, passed: Way, host: str) -> str:
    """Where a service sends somebody who left out, or added, the slash at the end: it does not know of its prefix.

    Any other address may be meant for another service, and is left as it is."""
    before, path = "", location
    for scheme in ("http://", "https://"):
        if location.lower().startswith(f"{scheme}{host.lower()}/"):
            before, path = location[: len(scheme) + len(host)], location[len(scheme) + len(host) :]
    asked = passed.path.partition("?")[0].rstrip("/")
    if not passed.prefix or not path.startswith("/") or path.partition("?")[0].rstrip("/") != asked:
        return location
    return f"{before}{passed.prefix}{path}"


def _below(names: list[str], mount: str) -> bool:
    wanted = mount.split("/")[1:] if mount != "/" else []
    return names[: len(wanted)] == wanted


def _plain(segments: list[str], names: list[str]) -> list[str]:
    """Without `.` and `..`, as RFC 3986 (5.2.4) has it; never above the root."""
    kept: list[str] = []
    for segment, name in zip(segments, names, strict=True):
        if name == "..":
            del kept[-1:]
        elif name != ".":
            kept.append(segment)
    if names[-1] in (".", ".."):
        kept.append("")
    return kept or [""]
