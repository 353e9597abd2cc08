"""Code scanning: takes reports of scanners where it is on (`repo.code_scanning`), and refuses them as GitHub does."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import uuid
import zlib

from aiohttp import web

from demo.github.records import Sarif
from demo.github.rest import answers
from demo.github.rest.ask import Ask, Refused

LARGEST = 10_000_000  # bytes, packed
_REF = re.compile(r"refs/(heads/.+|tags/.+|pull/\d+/(head|merge))")


async def upload(ask: Ask) -> web.Response:
    fields = ask.fields("Sarif")
    sha, ref = fields.text("commit_sha", required=True), fields.text("ref", required=True)
    packed = fields.text("sarif", required=True)
    fields.done()
    if not ask.repo.code_scanning:
        raise Refused(403, "Code scanning is not enabled for this repository.")
    if await ask.commit(sha) != sha or not _REF.fullmatch(ref):
        raise Refused(422, "commit_sha is no full commit, or ref no full reference")
    try:
        raw = base64.b64decode(packed, validate=True)
        log = json.loads(gzip.decompress(raw))
    except (binascii.Error, OSError, EOFError, zlib.error, ValueError) as error:
        raise Refused(400, "The SARIF is not gzip in base64") from error
    if len(raw) > LARGEST:
        raise Refused(413, "The SARIF is too large")
    one = Sarif(str(uuid.uuid4()), sha, ref, log)
    ask.repo.sarifs.append(one)
    return answers.one({"id": one.id, "url": f"{ask.request.url}/{one.id}"}, 202)


ROUTES = (("POST", "/code-scanning/sarifs", upload, ("security_events:write",)),)
