"""One REST call, read strictly: what GitHub refuses is refused here in GitHub's words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from demo.github.actions.checks import Checks
from demo.github.hub import Hub
from demo.github.records import Json, Pull, Repo, Token, User

IDS = web.RequestKey("ids", Iterator)  # a middleware may put here the ids that this request must give
TOKEN = web.RequestKey("token", str)  # and here the installation token
DOCUMENTATION = "https://docs.github.com/rest"
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")


class Refused(Exception):
    """Answer `status` with GitHub's JSON for errors."""

    def __init__(
        self, status: int, message: str, errors: Iterable[Json] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, list(errors)
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        body: Json = {"message": self.message, "documentation_url": DOCUMENTATION, "status": str(self.status)}
        if self.errors:
            body["errors"] = self.errors
        return web.json_response(body, status=self.status, headers=self.headers)


def missing() -> Refused:
    return Refused(404, "Not Found")


@dataclass(slots=True)
class Ask:
    """A call that passed the door: who asks, about which repository, with which body."""

    request: web.Request
    acts: Checks
    token: Token | None
    given: Json
    about: Repo | None = None

    @property
    def hub(self) -> Hub:
        return self.acts.hub

    @property
    def repo(self) -> Repo:
        if self.about is None:
            raise missing()
        return self.about

    @property
    def sender(self) -> User:
        if self.token is None:
            raise Refused(401, "Requires authentication")
        return self.token.user

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """A numeric part of the path; anything else is not found."""
        text = self.path(name)
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise missing()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def new_id(self, kind: str) -> int:
        """The id for what is created: a middleware may bring its own, so that two judges of a call agree on it."""
        ids = self.request.get(IDS)
        return int(next(ids)) if ids is not None else self.hub.new_id(kind)

    def pull(self, name: str = "number") -> Pull:
        pull = self.repo.pulls.get(self.number(name))
        if pull is None:
            raise missing()
        return pull

    async def commit(self, rev: str) -> str:
        """The full id of a commit named any way GitHub takes.  Raises Refused."""
        sha = await self.repo.git.resolve(rev)
        if sha is None:
            raise Refused(422, f"No commit found for SHA: {rev}")
        return sha

    def fields(self, resource: str, given: Json | None = None, prefix: str = "") -> Fields:
        return Fields(resource, self.given if given is None else given, prefix)


class Fields:
    """Reads a body field by field, collects what is wrong, and `done` refuses with all of it."""

    def __init__(self, resource: str, given: Json, prefix: str = "") -> None:
        self.resource, self.given, self.prefix = resource, given, prefix
        self.errors: list[Json] = []

    def wrong(self, name: str, code: str, message: str | None = None) -> None:
        error = {"resource": self.resource, "code": code, "field": self.prefix + name}
        self.errors.append(error | ({"message": message} if message else {}))

    def done(self) -> None:
        if self.errors:
            raise Refused(422, "Validation Failed", self.errors)

    def has(self, name: str) -> bool:
        return name in self.given

    def _value(self, name: str, kind: type, required: bool) -> Any:
        value = self.given.get(name)
        if value is None:
            if required:
                self.wrong(name, "missing_field")
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(name, "invalid", f"{name} is not of type {kind.__name__}")
            return None
        return value

    def text(self, name: str, *, required: bool = False, limit: int | None = None, default: str = "") -> str:
        value = self._value(name, str, required)
        if value is None:
            return default
        if required and not value.strip():
            self.wrong(name, "missing_field")
        if limit is not None and len(value) > limit:
            self.wrong(name, "custom", f"{name} is too long (maximum is {limit} characters)")
        return str(value)

    def maybe(self, name: str, *, limit: int | None = None) -> str | None:
        return self.text(name, limit=limit) if self.given.get(name) is not None else None

    def choice(self, name: str, among: Collection[str], *, required: bool = False) -> str | None:
        value = self._value(name, str, required)
        if value is not None and value not in among:
            self.wrong(name, "invalid", f"{name} is not one of {', '.join(among)}")
            return None
        return None if value is None else str(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._value(name, bool, False)
        return default if value is None else bool(value)

    def rows(self, name: str, limit: int) -> list[Json]:
        value = self._value(name, list, False) or []
        if len(value) > limit:
            self.wrong(name, "invalid", f"No more than {limit} items are allowed; {len(value)} were supplied.")
        if not all(isinstance(row, dict) for row in value):
            self.wrong(name, "invalid")
            return []
        return list(value)

    def date(self, name: str) -> str | None:
        value = self.maybe(name)
        if value is not None and not _DATE.fullmatch(value):
            self.wrong(name, "invalid", f"{name} is not a date-time with a zone")
        return value
