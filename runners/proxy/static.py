"""Files of a built site, served from the directory that holds them and from nowhere else."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import mimetypes
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import LooseHeaders

from runners.base import Target
from runners.proxy import headers
from runners.proxy.mounts import Way

# The module's own table, without the machine's files: the same site has the same types everywhere.
_TYPES = mimetypes.MimeTypes()
for _type, _ending in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/wasm", ".wasm"),
    ("application/json", ".map"),
    ("application/manifest+json", ".webmanifest"),
    ("text/markdown", ".md"),
    ("image/avif", ".avif"),
    ("image/webp", ".webp"),
    ("font/woff", ".woff"),
    ("font/woff2", ".woff2"),
):
    _TYPES.add_type(_type, _ending)
_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A file to send."""

    path: Path
    etag: str
    status: int = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Moved:
    """A folder that was asked for without its slash."""

    path: str


async def serve(request: web.Request, target: Target, passed: Way | None = None) -> web.StreamResponse | None:
    """Send what the path leads to; None when it leads nowhere and the site has no page of its own for that.

    `passed`: the path to look for instead of the request's, of one of several services."""
    marks = headers.marks(target)
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        return web.Response(status=405, headers={**marks, hdrs.ALLOW: "GET, HEAD"})
    path, _, query = (passed.path if passed else request.raw_path).partition("?")
    fallback = target.fallback and _wants_page(request, path)
    found = await asyncio.to_thread(find, Path(target.path), path, fallback)
    if isinstance(found, Moved):
        moved = f"{passed.prefix if passed else ''}{found.path}"
        location = f"{moved}?{query}" if query else moved
        return web.Response(status=301, headers={**marks, hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-cache"})
    if found is None:
        return None
    # A hostname follows its pull request: nothing may be shown again without asking whether it is still the same.
    answer = _File(found, {**marks, hdrs.CONTENT_TYPE: _type_of(found.path), hdrs.CACHE_CONTROL: "no-cache"})
    await answer.prepare(request)
    return answer


def find(root: Path, path: str, fallback: bool) -> Found | Moved | None:
    """What a request path (still percent-encoded) means below `root`.  Reads the disk."""
    names = _names(path)
    if names is None:
        return None
    site = _Site(root)
    if found := site.folder(names) if path.endswith("/") else site.file(names):
        return found
    if fallback and (page := site.regular(["index.html"])):
        return page
    page = site.regular(["404.html"])
    return dataclasses.replace(page, status=404) if page else None


class _Site:
    """Looks names up below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def file(self, names: list[str]) -> Found | Moved | None:
        if not names:
            return self.folder(names)
        if found := self.regular(names):
            return found
        if self.folder(names):
            return Moved("/" + "/".join(map(quote, names)) + "/")
        return self.regular([*names[:-1], f"{names[-1]}.html"])

    def folder(self, names: list[str]) -> Found | None:
        index = self.regular([*names, "index.html"])
        return index or (None if names else self._lone_page())

    def regular(self, names: list[str]) -> Found | None:
        """The file of these names, if it is one and lies inside also when links are followed."""
        path = os.path.realpath(os.path.join(self._root, *names))  # noqa: PTH118
        inside = os.path.relpath(path, self._root)
        if any(name.startswith(".") for name in Path(inside).parts):  # "..", dotfiles, the directory itself
            return None
        try:
            seen = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(seen.st_mode):
            return None
        # The directory is named for its content; dates alone may be equal in two commits.
        known_by = f"{self._root}\0{inside}\0{seen.st_mtime_ns}\0{seen.st_size}"
        return Found(
            Path(path), hashlib.blake2b(known_by.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
        )

    def _lone_page(self) -> Found | None:
        try:
            names = os.listdir(self._root)  # noqa: PTH208
        except OSError:
            return None
        pages = [name for name in names if name.lower().endswith((".html", ".htm"))]
        return self.regular(pages) if len(pages) == 1 else None


class _File(web.FileResponse):
    """A file known by our own ETag."""

    def __init__(self, found: Found, fields: Mapping[str, str]) -> None:
        super().__init__(found.path, status=found.status, headers=fields)
        self._tag = f'"{found.etag}"'
        self._whole = found.status != 200

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:
            return await web.StreamResponse.prepare(self, request)
        if not self._whole and _matches(request.headers.getall(hdrs.IF_NONE_MATCH, ()), self._tag):
            self.set_status(304)
            return await web.StreamResponse.prepare(self, request)
        return await super().prepare(request.clone(headers=self._plain(request)))

    async def _prepare_headers(self) -> None:
        self.headers[hdrs.ETAG] = self._tag
        await super()._prepare_headers()

    def _plain(self, request: web.BaseRequest) -> LooseHeaders:
        """The request without what the parent would decide by date, or by a compressed twin beside the file."""
        fields = request.headers.copy()
        for name in (*_CONDITIONS, hdrs.ACCEPT_ENCODING):
            fields.popall(name, None)
        if self._whole or fields.popall(hdrs.IF_RANGE, [self._tag]) != [self._tag]:
            fields.popall(hdrs.RANGE, None)
        return fields


def _matches(conditions: list[str] | tuple[str, ...], tag: str) -> bool:
    named = {part.strip().removeprefix("W/") for value in conditions for part in value.split(",")}
    return tag in named or "*" in named


def _names(path: str) -> list[str] | None:
    """The path's parts, decoded once; None when one of them is not a plain visible name."""
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    names = [name for name in decoded.split("/") if name]
    if any(name.startswith(".") or "\0" in name or "\\" in name for name in names):
        return None
    return names


def _wants_page(request: web.Request, path: str) -> bool:
    accept = request.headers.get(hdrs.ACCEPT, "*/*")
    return "text/html" in accept or ("*/*" in accept and "." not in path.rpartition("/")[2])


def _type_of(path: Path) -> str:
    kind, encoding = _TYPES.guess_type(path.name)
    if encoding or kind is None:
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/json", "application/xml", "image/svg+xml")
    return f"{kind}; charset=utf-8" if text else kind
