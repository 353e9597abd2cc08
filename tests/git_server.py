"""A git server on this machine: real repositories behind `git http-backend`, asked for by name and token.

async with serve(folder) as server:
    work = server.create("acme/shop")
    sha = work.commit({"app.py": "print(1)"})
    ... git fetch server.url + "/acme/shop.git" ...
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

TOKEN = "ghs_4711_eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LXBheWxvYWQtb2YtdGhlLXRva2Vu.c2lnbmF0dXJl"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Mona",
    "GIT_AUTHOR_EMAIL": "mona@example.com",
    "GIT_COMMITTER_NAME": "Mona",
    "GIT_COMMITTER_EMAIL": "mona@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """Run git as a developer would; its stdout, stripped."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=True,
        env={**os.environ, **IDENTITY, **(env or {})},
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip()


@dataclass
class Work:
    """A bare repository that the server shows, and how to add commits to it."""

    bare: Path

    def commit(
        self, files: Mapping[str, str | bytes | None], *, onto: str | None = None, ref: str = "refs/heads/main"
    ) -> str:
        """A commit of `onto` (or of the ref's tip) with these files changed; None removes one."""
        parent = onto or self._tip(ref)
        blobs = {content: self.blob(content) for content in set(files.values()) if content is not None}
        gone = f"0 {'0' * 40}"
        entries = [
            f"{f'100644 {blobs[content]}' if content is not None else gone}\t{path}" for path, content in files.items()
        ]
        return self.plant(entries, parent=parent, ref=ref)

    def blob(self, content: str | bytes) -> str:
        raw = content.encode() if isinstance(content, str) else content
        return git(self.bare, "hash-object", "-w", "--stdin", stdin=raw)

    def plant(self, entries: list[str], *, parent: str | None = None, ref: str = "refs/heads/main") -> str:
        """A commit of index entries (`mode hash<TAB>path`), on top of the parent's tree."""
        env = {"GIT_INDEX_FILE": str(self.bare / "planting")}
        git(self.bare, "read-tree", *([parent] if parent else ["--empty"]), env=env)
        lines = b"".join(os.fsencode(entry) + b"\0" for entry in entries)
        git(self.bare, "update-index", "-z", "--add", "--index-info", stdin=lines, env=env)
        return self.commit_tree(git(self.bare, "write-tree", env=env), parent=parent, ref=ref)

    def commit_tree(self, tree: str, *, parent: str | None = None, ref: str = "refs/heads/main") -> str:
        sha = git(self.bare, "commit-tree", tree, *(["-p", parent] if parent else []), "-m", "A change")
        git(self.bare, "update-ref", ref, sha)
        return sha

    def raw(self, kind: str, content: bytes) -> str:
        """Any object, also one that git itself would not make."""
        return git(self.bare, "hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=content)

    def _tip(self, ref: str) -> str | None:
        try:
            return git(self.bare, "rev-parse", "--verify", "--quiet", ref)
        except subprocess.CalledProcessError:
            return None


@dataclass
class GitServer:
    """`requests` are the paths asked for, with the name and password they came with."""

    folder: Path
    url: str = ""
    token: str | None = TOKEN  # None: anybody may read
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    answer: Callable[[web.Request], web.StreamResponse | None] = lambda request: None  # instead of git's
    speaks: int = 2  # git's protocol
    hold: asyncio.Event | None = None  # requests with the words below wait for it
    hold_words: bytes = b"command=fetch"
    holding: asyncio.Event = field(default_factory=asyncio.Event)  # somebody waits

    def create(self, full_name: str) -> Work:
        bare = self.folder / f"{full_name}.git"
        bare.mkdir(parents=True)
        git(bare, "init", "--bare", "--quiet", "-b", "main")
        return Work(bare)

    @property
    def packs(self) -> int:
        """How often objects were asked for."""
        return sum(path.endswith("/git-upload-pack") for path, _ in self.requests)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization")
        self.requests.append((request.path, authorization))
        said = self.answer(request)
        if said is not None:
            return said
        if self.token is not None and authorization != basic(self.token):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
        body = await request.read()
        if self.hold is not None and self.hold_words in body:
            self.holding.set()
            await self.hold.wait()
        return await self._backend(request, body)

    async def _backend(self, request: web.Request, body: bytes) -> web.Response:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "") if self.speaks == 2 else "",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "x-access-token",
            "REMOTE_ADDR": "127.0.0.1",
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", stdin=pipe, stdout=pipe, stderr=pipe, env=env
        )
        out, _ = await process.communicate(body)
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=content)


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[GitServer]:
    server = GitServer(folder)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        if server.hold is not None:
            server.hold.set()
        await runner.cleanup()
