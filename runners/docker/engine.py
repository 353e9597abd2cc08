"""The Docker engine, asked from threads so that the event loop never waits for it.

Whatever we make carries our labels, and only what carries them is ever listed, stopped or removed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import os
import re
import stat
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runners.base import RunnerError, Unavailable
from runners.docker.box import PERIOD, Box

MANAGED, HOME, DEPLOYMENT, KIND = "slipway.managed", "slipway.home", "slipway.deployment", "slipway.kind"
MAKER = "slipway.maker"  # tells whether who made it still lives
NOBODY = 65534  # the user and group that own nothing, in every image
_CALLS = 16  # threads for calls that end by themselves
_MADE = re.compile(r"[a-z]+-(?P<maker>(?P<pid>\d+)-[0-9a-f]{6})-[0-9a-f]{8}")
_STREAMS = 128  # threads for output that is followed, one for each build or start under way

T = TypeVar("T")


class Refused(Unavailable):
    """The engine's own no (404 there is none, 409 not in this state); whoever foresees it catches it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the engine said of itself."""

    cpus: int
    direct: bool  # container addresses can be reached from here, and the kernel is ours too
    rootless: bool


class Engine:
    """Calls of the engine's API by name, and the few steps that every part of the backend shares."""

    def __init__(self, home_id: str) -> None:
        self.home_id = home_id
        self.prefix = f"slipway-{_short(home_id)}"  # of the names of all we make
        self._maker = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._client: Any = None
        self._lock = threading.Lock()
        self._calls = concurrent.futures.ThreadPoolExecutor(_CALLS, "docker")
        self._streams = concurrent.futures.ThreadPoolExecutor(_STREAMS, "docker-stream")
        self._facts: Facts | None = None
        self._network: asyncio.Task[None] | None = None

    async def call(self, method: str, /, *args: Any, **options: Any) -> Any:
        """One call of docker.APIClient.  Raises Refused for the engine's no, Unavailable when it can't be asked."""
        return await self.thread(functools.partial(self.ask, method, *args, **options))

    async def thread(self, work: Callable[..., T], *args: Any) -> T:
        """Run what blocks, for a moment."""
        return await asyncio.get_running_loop().run_in_executor(self._calls, work, *args)

    async def stream(self, work: Callable[..., T], *args: Any) -> T:
        """Like `thread`, for work that lasts: it never keeps a short call waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._streams, work, *args)

    async def facts(self) -> Facts:
        """Asked once."""
        if self._facts is None:
            info = await self.call("info")
            rootless = "name=rootless" in (info.get("SecurityOptions") or [])
            desktop = "Docker Desktop" in info.get("OperatingSystem", "")
            direct = sys.platform == "linux" and not rootless and not desktop
            self._facts = Facts(cpus=info.get("NCPU") or 1, direct=direct, rootless=rootless)
        return self._facts

    async def user(self) -> str:
        """Who runs in our boxes: nobody when we may give files away, else ourselves."""
        if (await self.facts()).rootless:
            return "0:0"  # which is us, outside
        return f"{NOBODY}:{NOBODY}" if os.geteuid() == 0 else f"{os.getuid()}:{os.getgid()}"

    async def give(self, *folders: Path) -> None:
        """Make the files below belong to whoever runs in our boxes, who may then change them."""
        owner = NOBODY if (await self.user()).startswith(f"{NOBODY}:") else None
        await self.thread(_give, folders, owner)

    async def uid(self) -> int:
        """Who owns, on this machine's disk, what `user` writes in our boxes."""
        return os.getuid() if (await self.facts()).rootless else int((await self.user()).partition(":")[0])

    async def start(self, name: str) -> None:
        """Start what `create` made; our network is made anew when somebody removed it meanwhile."""
        try:
            await self.call("start", name)
        except Refused as refused:
            if refused.status != 404 or "network" not in str(refused):
                raise
            self._network = None
            await self.join_network()
            await self.call("start", name)

    def new_name(self, kind: str) -> str:
        """A name that tells whether who made it still lives: see `stale`."""
        return f"{kind}-{self._maker}-{uuid.uuid4().hex[:8]}"

    def stale(self, name: str) -> bool:
        """Made by `new_name` in a process that is no more."""
        made = _MADE.fullmatch(name)
        return made is not None and self._is_gone(made["maker"])

    def orphaned(self, labels: dict[str, str]) -> bool:
        """What carries them was made in a process that is no more."""
        return self._is_gone(labels.get(MAKER, ""))

    async def known(self, name: str) -> bool:
        """There is a container of ours for this deployment, whether it runs or not."""
        return bool(await self.own(name=[f"^/{self.prefix}-{name}$"]))

    async def sweep(self) -> list[str]:
        """Remove the builds and spares that a crash left; their names."""
        found = await self.own(label=[KIND])
        stale = [each["Labels"][DEPLOYMENT] for each in found if self._left_over(each)]
        for name in stale:
            await self.remove(f"{self.prefix}-{name}")
        return stale

    def labels(self, kind: str, deployment: str) -> dict[str, str]:
        """What tells a container as ours."""
        return {MANAGED: "true", HOME: self.home_id, DEPLOYMENT: deployment, KIND: kind, MAKER: self._maker}

    def ours(self, labels: dict[str, str] | None) -> bool:
        """Whether they are our own: of this home, not only of some installation."""
        labels = labels or {}
        return labels.get(MANAGED) == "true" and labels.get(HOME) == self.home_id

    async def own(self, *, all: bool = True, **filters: Any) -> list[dict[str, Any]]:  # noqa: A002
        """Our own containers, as the engine lists them."""
        mine = [f"{MANAGED}=true", f"{HOME}={self.home_id}", *filters.pop("label", ())]
        listed: list[dict[str, Any]] = await self.call("containers", all=all, filters={"label": mine, **filters})
        return [each for each in listed if self.ours(each.get("Labels"))]

    async def join_network(self) -> None:
        """Have our network, made when it is not there."""
        task = self._network
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._network = asyncio.ensure_future(self._make_network())
        await asyncio.shield(task)

    async def create(self, box: Box) -> str:
        """Make a container and return its id; it is not started.  A leftover of the same name goes first."""
        await self.join_network()
        facts = await self.facts()
        try:
            return await self.thread(self._create, box, facts)
        except Refused as refused:
            if refused.status != 409:
                raise
        await self.remove(box.name)
        return await self.thread(self._create, box, facts)

    async def remove(self, name: str, *, patience: int | None = None) -> str | None:
        """Remove a container of ours with its volumes, and say what it was made for.

        Gone already is fine, another's is left alone.  `patience`: seconds between SIGTERM and SIGKILL; None kills
        at once."""
        made = None
        try:
            found = await self.call("inspect_container", name)
            labels = found["Config"]["Labels"]
            if not self.ours(labels):
                return None
            made = labels.get(DEPLOYMENT)
            if patience is not None and found["State"]["Running"]:
                await self.call("stop", found["Id"], timeout=patience)
            await self.call("remove_container", found["Id"], force=True, v=True)
        except Refused as refused:
            if refused.status != 404 and "already in progress" not in str(refused):
                raise
        return made

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Change how many processors' time it gets, while it runs."""
        await self.call("update_container", name, cpu_period=PERIOD, cpu_quota=int(cpus * PERIOD))

    def deployment(self, listed: dict[str, Any]) -> str | None:
        """What a listed container runs; None for builds, and for spares that wait."""
        labels = listed["Labels"]
        if labels.get(KIND) not in ("instance", "spare"):
            return None
        name = str(listed["Names"][0]).removeprefix(f"/{self.prefix}-")
        return None if labels[KIND] == "spare" and name == labels[DEPLOYMENT] else name

    def ask(self, method: str, /, *args: Any, **options: Any) -> Any:
        """Like `call`, for threads: it blocks."""
        import docker.errors
        import requests

        try:
            return getattr(self.connect(), method)(*args, **options)
        except docker.errors.APIError as error:
            raise Refused(error.explanation or str(error), error.status_code or 500) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise Unavailable(f"the Docker engine does not answer: {error}") from error

    def connect(self) -> Any:
        """The one docker.APIClient; blocks the first time."""
        import docker

        with self._lock:
            if self._client is None:
                options = docker.utils.kwargs_from_env()
                self._client = docker.APIClient(version="auto", max_pool_size=_CALLS + _STREAMS, **options)
            return self._client

    async def close(self) -> None:
        """Let go of connections and threads, and of our network when nothing of ours is on it."""
        if self._client is not None:
            await self._leave_network()
            await self.thread(self._client.close)
            self._client = None
        self._calls.shutdown(wait=False)
        self._streams.shutdown(wait=False)

    def _is_gone(self, maker: str) -> bool:
        pid = maker.partition("-")[0]
        if maker == self._maker or not pid.isdecimal():
            return False
        return int(pid) == os.getpid() or _dead(int(pid))

    def _left_over(self, listed: dict[str, Any]) -> bool:
        """A spare that was used has another name than the one it was made with."""
        made = listed["Labels"][DEPLOYMENT]
        return self.stale(made) and f"/{self.prefix}-{made}" in listed["Names"]

    def _create(self, box: Box, facts: Facts) -> str:
        labels = self.labels(box.kind, box.deployment)
        options = box.options(self.connect(), network=self.prefix, labels=labels, processors=facts.cpus)
        return str(self.ask("create_container", **options)["Id"])

    async def _leave_network(self) -> None:
        """An engine has room for some thirty networks; `start` makes ours anew when it is missed."""
        with contextlib.suppress(RunnerError):  # in use, gone already, or there is no engine to ask
            for network in await self.call("networks", names=[f"^{self.prefix}$"]):
                if self.ours(network["Labels"]):
                    await self.call("remove_network", network["Id"])

    async def _make_network(self) -> None:
        """Our own bridge, on which containers can't talk to each other."""
        if await self.call("networks", names=[f"^{self.prefix}$"]):
            return
        try:
            await self.call(
                "create_network",
                self.prefix,
                driver="bridge",
                options={"com.docker.network.bridge.enable_icc": "false"},
                labels={MANAGED: "true", HOME: self.home_id},
                check_duplicate=True,
            )
        except Refused as refused:
            if refused.status != 409:
                raise


def address(container: dict[str, Any]) -> str:
    """A container's own address, as `containers` or `inspect_container` tell it; empty when it has none.

    The network that it shares with databases of its own has a longer name than ours, and can't be reached from here."""
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(each["IPAddress"]) for _name, each in sorted(networks.items()) if each.get("IPAddress")), "")


def _short(home_id: str) -> str:
    name = re.sub(r"[^a-zA-Z0-9_.-]", "-", home_id)
    return name if len(name) <= 40 else f"{name[:31]}-{hashlib.sha256(home_id.encode()).hexdigest()[:8]}"


def _dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _give(folders: Sequence[Path], owner: int | None) -> None:
    for top in folders:
        _give_one(str(top), owner)
        for folder, names, files in os.walk(top):
            for name in (*names, *files):
                _give_one(f"{folder}/{name}", owner)


def _give_one(path: str, owner: int | None) -> None:
    seen = os.lstat(path)
    if owner is not None and seen.st_uid != owner:
        os.chown(path, owner, owner, follow_symlinks=False)
    wanted = 0o700 if stat.S_ISDIR(seen.st_mode) else 0o600
    if not stat.S_ISLNK(seen.st_mode) and seen.st_mode & wanted != wanted:
        os.chmod(path, stat.S_IMODE(seen.st_mode) | wanted)  # noqa: PTH101
