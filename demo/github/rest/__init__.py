"""The REST API under `/` (as api.github.com) and under `/api/v3` (as GitHub Enterprise Server)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from demo.github.actions.checks import Checks
from demo.github.git import GitFailed
from demo.github.hub import Missing
from demo.github.records import Call, Repo
from demo.github.rest import (
    advisories,
    answers,
    apps,
    checks,
    deployments,
    door,
    graphql,
    pulls,
    repositories,
    scanning,
)
from demo.github.rest.ask import Ask, Refused, missing

VERSIONS = ("2022-11-28", "2026-03-10")
PREFIXES = ("", "/api/v3")
Endpoint = Callable[[Ask], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """The API of one GitHub.  `public_key` (PEM) makes it verify the app's JWTs; `observe` sees every call."""

    def __init__(self, acts: Checks, public_key: str | None, observe: Callable[[Call], None] | None) -> None:
        self.acts, self.hub, self.public_key, self.observe = acts, acts.hub, public_key, observe

    def routes(self) -> Iterable[web.RouteDef]:
        """Every route under every prefix; what is unknown below them is GitHub's 404."""
        for prefix in PREFIXES:
            for method, path, endpoint in apps.JWT:
                yield web.route(method, prefix + path, self._handler(endpoint, "jwt"))
            for method, path, endpoint in (*apps.OPEN, *advisories.ROUTES):
                yield web.route(method, prefix + path, self._handler(endpoint, "open"))
            yield from self._repository_routes(f"{prefix}/repos/{{owner}}/{{repo}}")
            yield from self._repository_routes(f"{prefix}/repositories/{{repository_id}}")
            for part in ("app", "repos", "repositories", "installation", "orgs"):
                yield web.route("*", f"{prefix}/{part}/{{tail:.*}}", self._handler(_unknown, "open"))
        yield web.route("*", "/api/v3/{tail:.*}", self._handler(_unknown, "open"))
        for path in ("/graphql", "/api/graphql"):
            yield web.route("POST", path, self._handler(graphql.answer, "open"))

    def _repository_routes(self, base: str) -> Iterable[web.RouteDef]:
        for method, path, endpoint in apps.REPOSITORY_JWT:
            yield web.route(method, base + path, self._handler(endpoint, "jwt"))
        every = (
            *checks.ROUTES,
            *deployments.ROUTES,
            *pulls.ROUTES,
            *scanning.ROUTES,
            *repositories.ROUTES,
            *repositories.LAST,
        )
        for method, path, endpoint, needs in every:
            yield web.route(method, base + path, self._handler(endpoint, "repository", needs))

    def _handler(self, endpoint: Endpoint, door: str, needs: tuple[str, ...] = ()) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            ask = Ask(request, self.acts, None, {})
            try:
                response = await self._answer(ask, endpoint, door, needs)
            except Refused as error:
                response = error.response()
            except Missing:
                response = missing().response()
            except GitFailed as error:
                response = Refused(500, str(error)).response()
            return self._finish(ask, response)

        return handle

    async def _answer(self, ask: Ask, endpoint: Endpoint, kind: str, needs: tuple[str, ...]) -> web.Response:
        self._check_headers(ask.request)
        if kind == "jwt":
            door.check_jwt(self.hub, ask.request, self.public_key)
        else:
            ask.token = door.token(self.hub, ask.request)
            if ask.token:
                door.check_rate(self.hub, ask.token)
        ask.given = await _body(ask.request)
        about = self._repository(ask, kind)
        if isinstance(about, web.Response):
            return about
        ask.about = about
        if about is not None and kind == "repository":
            door.check_repository(about, ask.token, needs)
        return await endpoint(ask)

    @staticmethod
    def _check_headers(request: web.Request) -> None:
        if not request.headers.get("User-Agent"):
            raise Refused(403, "Please make sure your request has a User-Agent header")
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in VERSIONS:
            raise Refused(400, f'"{version}" is not a valid API version')

    def _repository(self, ask: Ask, kind: str) -> Repo | web.Response | None:
        """The repository in the path; a redirect when it has another name by now."""
        parts, request = ask.request.match_info, ask.request
        if "repository_id" in parts:
            number = parts["repository_id"]
            repo = self.hub.repos.get(int(number)) if number.isascii() and number.isdigit() else None
            if repo is None:
                raise missing()
            return repo
        if "owner" not in parts:
            return None
        name = f"{parts['owner']}/{parts['repo']}"
        repo = self.hub.repo(name)
        if repo.full_name.lower() == name.lower():
            return repo
        if kind == "repository" and not door.visible(repo, ask.token):
            raise missing()
        rest = request.rel_url.raw_path.split("/repos/", 1)[1].split("/", 2)[2:]
        where = "/".join([f"{self.hub.url}/repositories/{repo.id}", *rest])
        where += f"?{request.query_string}" if request.query_string else ""
        moved = {"message": "Moved Permanently", "url": where, "documentation_url": "https://docs.github.com/rest"}
        status = 301 if request.method in ("GET", "HEAD") else 307
        return web.json_response(moved, status=status, headers={"Location": where})

    def _finish(self, ask: Ask, response: web.Response) -> web.Response:
        response = answers.conditional(ask.request, response)
        if ask.token and response.status != 304:
            ask.token.used += 1
        response.headers.update(door.rate_headers(ask.token))
        response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        path = ask.request.rel_url.raw_path_qs.removeprefix("/api/v3")
        call = Call(ask.request.method, path, ask.given or None, response.status, self.hub.now())
        self.hub.calls.append(call)
        if self.observe:
            self.observe(call)
        return response


async def _unknown(ask: Ask) -> web.Response:
    raise missing()


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        given = json.loads(raw)
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None
    if not isinstance(given, dict):
        raise Refused(400, "Body should be a JSON object")
    return given


__all__ = ["Rest"]
