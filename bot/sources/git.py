"""git as a subprocess: cut off from this machine's settings, killed with its children, its words bounded.

A token reaches git through its environment only: never an argument, an address, a file or a log.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import cast

OUTPUT = 32 * 1024 * 1024  # bytes: a listing of some 300,000 files; Linux has 90,000
WORDS = 64 * 1024  # bytes of stderr that are kept, its end
LOCAL_SECONDS = 300.0
GRACE_SECONDS = 2.0  # between asking git to end, so that it removes its lock files, and killing it

# What this machine may say to git: the way out, and whom to trust on it.
PASSED_ON = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TMPDIR")
AUTHORITIES = ("GIT_SSL_CAINFO", "SSL_CERT_FILE", "CURL_CA_BUNDLE")  # first one set wins

# Faults that old, honest histories carry; everything else that git's checks know is refused.
HARMLESS = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "multipleAuthors",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)

SETTINGS = {
    "protocol.allow": "never",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.version": "2",
    "core.hooksPath": os.devnull,
    "core.symlinks": "true",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "transfer.fsckObjects": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "credential.helper": "",
    "http.followRedirects": "false",  # git would take our header along to wherever it is sent: see HELPER
    "http.lowSpeedLimit": "1",  # bytes a second, over the time below (seconds): the other end is gone
    "http.lowSpeedTime": "60",
    "init.defaultBranch": "main",
    **{f"fetch.fsck.{fault}": "warn" for fault in HARMLESS},
}


# For a repository that has moved.  git gives what a helper says to the helper's own host only, wherever it is sent; but
# it asks without a name first, which costs a round trip, so the header is the rule.
HELPER = '!f() { test "$1" = get && printf "username=x-access-token\\npassword=%s\\n" "$SLIPWAY_GIT_TOKEN"; }; f'


class GitFailed(Exception):
    """git ended with an error; `words` is the end of its stderr, without secrets."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Git:
    """Runs git on bare repositories.  `server_url`: the only place that a token is sent to."""

    def __init__(self, home: Path, server_url: str) -> None:
        self._home, self._server_url = home, server_url

    async def __call__(
        self,
        *arguments: str | Path,
        repository: Path,
        stdin: bytes = b"",
        token: str | None = None,
        index: Path | None = None,
        work_tree: Path | None = None,
        seconds: float = LOCAL_SECONDS,
        moved: bool = False,
        nice: bool = False,
    ) -> bytes:
        """Its stdout.  Raises GitFailed.  `moved`: go where the server sends us; `nice`: nobody waits for it."""
        env = self._environment(token, moved) | {"GIT_DIR": str(repository)}
        if index is not None:
            env["GIT_INDEX_FILE"] = str(index)
        if work_tree is not None:
            env["GIT_WORK_TREE"] = str(work_tree)
        command = (*(("nice", "-n", "19") if nice else ()), "git", *map(str, arguments))
        try:
            async with asyncio.timeout(seconds):
                code, out, err = await run(command, env=env, stdin=stdin, folder=work_tree or self._home)
        except TimeoutError as error:
            raise GitFailed(f"git took longer than {seconds:.0f} s") from error
        if code:
            raise GitFailed(redact(err.decode("utf-8", "replace").strip(), token) or f"git ended with {code}")
        return out

    def _environment(self, token: str | None, moved: bool) -> dict[str, str]:
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        authority = next((os.environ[name] for name in AUTHORITIES if os.environ.get(name)), None)
        if authority:
            env["GIT_SSL_CAINFO"] = authority
        env |= {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),  # ours: no .netrc, no .gitconfig
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
        }
        if not token:
            return env | _as_environment(SETTINGS)
        if moved:
            helper = {f"credential.{self._server_url}.helper": HELPER, "http.followRedirects": "initial"}
            return env | _as_environment(SETTINGS | helper) | {"SLIPWAY_GIT_TOKEN": token}
        header = {f"http.{self._server_url}/.extraHeader": f"Authorization: Basic {_basic(token)}"}
        return env | _as_environment(SETTINGS | header)


async def run(
    command: tuple[str, ...], *, env: Mapping[str, str], stdin: bytes, folder: Path
) -> tuple[int, bytes, bytes]:
    """Run to the end: exit code, stdout, the end of stderr.  Cancelled, it leaves no process behind."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=folder,
        start_new_session=True,
        umask=0o022,
    )
    feed = cast(asyncio.StreamWriter, process.stdin)
    told = cast(asyncio.StreamReader, process.stdout)
    complained = cast(asyncio.StreamReader, process.stderr)
    try:
        _, out, err = await asyncio.gather(_feed(feed, stdin), _take(told, process), _tail(complained))
        return await process.wait(), out, err
    finally:
        if process.returncode is None:
            await asyncio.shield(_end(process))


async def _feed(stream: asyncio.StreamWriter, content: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it had enough; its exit code tells why
        if content:
            stream.write(content)
            await stream.drain()
    stream.close()


async def _take(stream: asyncio.StreamReader, process: asyncio.subprocess.Process) -> bytes:
    taken = bytearray()
    while chunk := await stream.read(1 << 16):
        taken += chunk
        if len(taken) > OUTPUT:
            _signal(process, signal.SIGKILL)
            raise GitFailed(f"there is more of it than {OUTPUT >> 20} MiB of names")
    return bytes(taken)


async def _tail(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(1 << 14):
        kept += chunk
        del kept[:-WORDS]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)  # children that outlived it
    await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def redact(text: str, token: str | None) -> str:
    """Text without the token, however it is written, and without any other of GitHub's."""
    for secret in (token, _basic(token)) if token else ():
        text = text.replace(secret, "***")
    return re.sub(r"gh[a-z]_[A-Za-z0-9._-]{8,}|(?i:basic|bearer) [A-Za-z0-9+/=._-]{8,}", "***", text)


def _basic(token: str) -> str:
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = key, value
    return env
