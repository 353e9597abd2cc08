"""What registries answer: Python's simple index (PEP 691, 700 and the older pages), npm's documents."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html.parser
import re
from collections.abc import Mapping
from typing import Any

from bot.scanners.dependencies.dependency import normal
from bot.scanners.dependencies.parts import Broken, parsed_json, table
from bot.scanners.dependencies.versions import canonical

MOST = 20_000  # versions of one package
_ENDING = re.compile(r"\.(?:tar\.gz|tar\.bz2|tgz|zip|whl|egg|exe|msi|rpm|deb)$")


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What a registry says of one name."""

    exists: bool
    times: Mapping[str, float] = dataclasses.field(default_factory=dict)  # canonical version: Unix seconds
    dated: bool = True  # it gives times at all

    @property
    def first(self) -> float | None:
        return min(self.times.values(), default=None)


def of_simple_json(name: str, raw: bytes) -> Page:
    tree = parsed_json(raw)
    if normal("pip", str(tree.get("name"))) != name or not isinstance(tree.get("files"), list):
        raise Broken("is no page of the index")
    return _of_files(name, [(table(file).get("filename"), table(file).get("upload-time")) for file in tree["files"]])


def of_simple_html(name: str, raw: bytes) -> Page:
    """The older pages.  Some say the time in an attribute, as the newer form does."""
    page = _Links()
    try:
        page.feed(raw.decode("utf-8", "replace"))
    except (AssertionError, ValueError, RecursionError) as error:  # what html.parser raises for garbage
        raise Broken("is no page of the index") from error
    if page.found and not any(_version(name, text) for text, _ in page.found):
        raise Broken("is no page of the index")
    if not page.found and b"links for" not in raw[:4096].lower():
        raise Broken("is no page of the index")
    return _of_files(name, list(page.found))


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and len(self.found) < MOST * 10:
            said = dict(attrs)
            file = (said.get("href") or "").partition("#")[0].partition("?")[0].rpartition("/")[2]
            self.found.append((file, said.get("data-upload-time")))


def _of_files(name: str, files: list[tuple[Any, Any]]) -> Page:
    times: dict[str, float] = {}
    dated = not files
    for file, told in files:
        version, moment = _version(name, file) if isinstance(file, str) else None, _moment(told)
        dated = dated or moment is not None
        if version is None or moment is None or (version not in times and len(times) >= MOST):
            continue
        times[version] = min(moment, times.get(version, moment))
    return Page(True, times, dated)


def _version(name: str, file: str) -> str | None:
    """The version in the name of a file: whl has it in the second place, the rest behind the name."""
    bare = _ENDING.sub("", file)
    if bare == file:
        return None
    if file.endswith((".whl", ".egg")):
        parts = bare.split("-")
        return canonical("pip", parts[1]) if len(parts) > 2 and normal("pip", parts[0]) == name else None
    for at in (at for at, sign in enumerate(bare[:300]) if sign == "-"):
        if normal("pip", bare[:at]) == name and bare[at + 1 : at + 2].isdigit():
            return canonical("pip", bare[at + 1 :])
    return None


def of_npm(name: str, raw: bytes) -> Page:
    tree = parsed_json(raw)
    if str(tree.get("name", tree.get("_id"))).lower() != name.lower():
        raise Broken("is no document of the registry")
    versions = table(tree.get("versions"))
    if not versions:  # taken back: the name is free for anybody
        return Page(False)
    told = table(tree.get("time"))
    moments = {version: _moment(told.get(version)) for version in list(versions)[:MOST]}
    times = {canonical("npm", version): moment for version, moment in moments.items() if moment is not None}
    return Page(True, times, bool(times))


def _moment(text: object) -> float | None:
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) and len(text) < 64 else None
    except ValueError:
        return None
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


__all__ = ["Page", "of_npm", "of_simple_html", "of_simple_json"]
