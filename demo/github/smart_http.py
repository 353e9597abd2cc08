"""git over HTTP: what `git clone`, `fetch` and `push` talk to, by way of git's own http-backend."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

from aiohttp import web

from demo.github.actions.checks import Checks
from demo.github.git import environment
from demo.github.hub import Missing
from demo.github.records import Repo, Token
from demo.github.rest import door
from demo.github.rest.ask import Refused

DRAIN_SECONDS = 5.0  # children of a git that was killed may hold its pipe for a moment
SERVICES = ("git-upload-pack", "git-receive-pack")
_CHUNK = 64 * 1024


class SmartHttp:
    def __init__(self, acts: Checks) -> None:
        self.acts, self.hub = acts, acts.hub

    def routes(self) -> list[web.RouteDef]:
        base = "/{owner}/{repo:[^/]+?}.git"
        return [
            web.get(base + "/info/refs", self.advertise),
            *(web.post(f"{base}/{service}", self.exchange) for service in SERVICES),
        ]

    async def advertise(self, request: web.Request) -> web.StreamResponse:
        """GET info/refs: the smart protocol only."""
        service = request.query.get("service", "")
        if service not in SERVICES:
            return web.Response(status=403, text="Please upgrade your git client.\n")
        repo, _, other = self._enter(request, service)
        return other or await self._backend(request, repo, "info/refs")

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """POST git-upload-pack or git-receive-pack; a push is told to the app once its refs have moved."""
        service = request.path.rsplit("/", 1)[1]
        repo, token, other = self._enter(request, service)
        if other is not None:
            return other
        if service == "git-upload-pack" or token is None:
            return await self._backend(request, repo, service)
        async with repo.git.writing:
            before = await repo.git.refs()
            try:
                return await self._backend(request, repo, service)
            finally:
                await self.acts.refs_changed(repo, before, token.user)

    def _enter(self, request: web.Request, service: str) -> tuple[Repo, Token | None, web.Response | None]:
        """The repository and who comes; the third is an answer to send instead, when there is one."""
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        try:
            token = door.token(self.hub, request)
            repo = self.hub.repo(name)
        except Refused:
            raise _challenge("Invalid username or token.") from None
        except Missing:
            raise web.HTTPNotFound(text="Repository not found.\n") from None
        if token is None and (repo.private or service == "git-receive-pack"):
            raise _challenge("Authentication is needed.")
        if not door.visible(repo, token):
            raise web.HTTPNotFound(text="Repository not found.\n")
        if service == "git-receive-pack" and not (token and door.may_push(repo, token)):
            raise web.HTTPForbidden(text=f"Permission to {repo.full_name}.git denied.\n")
        if service == "git-upload-pack" and token and token.installation and "contents" not in token.permissions:
            raise web.HTTPForbidden(text="Write access to repository not granted.\n")
        if repo.full_name.lower() != name.lower():
            rest = request.rel_url.raw_path_qs.split(".git/", 1)[1]
            where = f"{self.hub.url}/{repo.full_name}.git/{rest}"
            return repo, token, web.Response(status=301, headers={"Location": where})
        return repo, token, None

    async def _backend(self, request: web.Request, repo: Repo, path: str) -> web.StreamResponse:
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(**_variables(request, repo, path)),
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - both are pipes
        feeding = asyncio.create_task(_feed(request, process.stdin))
        try:
            return await _relay(request, process.stdout)
        except BaseException:
            process.kill()
            raise
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            process.stdin.close()
            await process.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await process.stdout.read()  # asyncio lets go of a pipe that was read to its end


def _challenge(words: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=f"{words}\n", headers={"WWW-Authenticate": 'Basic realm="GitHub"'})


def _variables(request: web.Request, repo: Repo, path: str) -> Mapping[str, str]:
    """CGI.  Hooks of the repository are off: what people push is only data."""
    known = {
        "GIT_PROJECT_ROOT": str(repo.git.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repo.git.path.name}/{path}",
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "REMOTE_USER": "git",
        "REMOTE_ADDR": request.remote or "",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": os.devnull,
    }
    # No CONTENT_LENGTH and no encoding: aiohttp has unpacked the body already, the backend reads to its end.
    if "Git-Protocol" in request.headers:
        known["GIT_PROTOCOL"] = request.headers["Git-Protocol"]
    return known


async def _feed(request: web.Request, pipe: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        async for chunk in request.content.iter_chunked(_CHUNK):
            pipe.write(chunk)
            await pipe.drain()
        pipe.close()
        await pipe.wait_closed()


async def _relay(request: web.Request, pipe: asyncio.StreamReader) -> web.StreamResponse:
    """The backend's CGI answer: headers first, then the body as it comes."""
    response = web.StreamResponse(status=200)
    while (line := (await pipe.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value.strip()
    await response.prepare(request)
    while chunk := await pipe.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response
