"""The Docker engine, asked from threads so that the event loop never waits for it.

Whatever we make carries our labels, and only what carries them is ever listed, stopped or removed.
"""

from __future__ import annotations

import asyncio
import codecs
import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import re
import sys
import threading
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runners.base import Limits, Log, RunnerError, Unavailable

MANAGED, HOME, DEPLOYMENT, KIND = "slipway.managed", "slipway.home", "slipway.deployment", "slipway.kind"
NOBODY = 65534  # the user and group that own nothing, in every image
_CALLS = 16  # threads for calls that end by themselves
_MADE = re.compile(r"[a-z]+-(?P<maker>(?P<pid>\d+)-[0-9a-f]{6})-[0-9a-f]{8}")
_STREAMS = 128  # threads for output that is followed, one for each build or start under way

T = TypeVar("T")


class Refused(RunnerError):
    """The engine's own no: 404 there is none, 409 not in this state, ..."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """One container to be made."""

    name: str
    kind: str  # build, instance, spare
    deployment: str
    image: str
    limits: Limits
    command: Sequence[str] | None = None  # None: the image's own
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    mounts: Sequence[Any] = ()
    folder: str | None = None  # working directory
    user: str | None = None  # None: the image's own
    capabilities: Sequence[str] = ()  # all others are dropped
    memory_tmp: bool = True  # /tmp in memory, which counts against the limit; builds want a larger one on disk
    publish: int | None = None  # a port to publish on 127.0.0.1, where container addresses can't be reached


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the engine said of itself."""

    cpus: int
    direct: bool  # container addresses can be reached from here, and the kernel is ours too
    rootless: bool


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Let it end although we are cancelled meanwhile: half a container can't be removed."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # it was seen: the cancellation is what is told
        raise


class Quiet:
    """A log for what nobody reads."""

    def write(self, text: str) -> None:
        """Forget it."""


class Engine:
    """Calls of the engine's API by name, and the few steps that every part of the backend shares."""

    def __init__(self, home_id: str) -> None:
        self.home_id = home_id
        self.prefix = "slipway-" + re.sub(r"[^a-zA-Z0-9_.-]", "-", home_id)[:40]
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
        return await asyncio.get_running_loop().run_in_executor(self._calls, work, *args)

    async def stream(self, work: Callable[..., T], *args: Any) -> T:
        """Like `thread`, for work that lasts: it never keeps a short call waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._streams, work, *args)

    async def facts(self) -> Facts:
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
        """Make the files below belong to whoever runs in our boxes."""
        if (await self.user()).startswith(f"{NOBODY}:"):
            await self.thread(_chown, folders)

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
        if made is None or made["maker"] == self._maker:
            return False
        return int(made["pid"]) == os.getpid() or _dead(int(made["pid"]))

    async def sweep(self) -> list[str]:
        """Remove the builds and spares that a crash left; their names."""
        found = await self.own(label=[KIND])
        stale = [each["Labels"][DEPLOYMENT] for each in found if self._left_over(each)]
        for name in stale:
            await self.remove(f"{self.prefix}-{name}")
        return stale

    def labels(self, kind: str, deployment: str) -> dict[str, str]:
        return {MANAGED: "true", HOME: self.home_id, DEPLOYMENT: deployment, KIND: kind}

    def ours(self, labels: dict[str, str] | None) -> bool:
        labels = labels or {}
        return labels.get(MANAGED) == "true" and labels.get(HOME) == self.home_id

    async def own(self, *, all: bool = True, **filters: Any) -> list[dict[str, Any]]:  # noqa: A002
        """Our own containers, as the engine lists them."""
        mine = [f"{MANAGED}=true", f"{HOME}={self.home_id}", *filters.pop("label", ())]
        listed: list[dict[str, Any]] = await self.call("containers", all=all, filters={"label": mine, **filters})
        return [each for each in listed if self.ours(each.get("Labels"))]

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
                raise Unavailable(f"a container can't be removed: {refused}") from refused
        return made

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Change how many processors' time it gets, while it runs."""
        period = 100_000  # microseconds, the kernel's usual one; the SDK knows no nano_cpus here
        await self.call("update_container", name, cpu_period=period, cpu_quota=int(cpus * period))

    def deployment(self, listed: dict[str, Any]) -> str | None:
        """What a listed container runs; None for builds, and for spares that wait."""
        labels = listed["Labels"]
        if labels.get(KIND) not in ("instance", "spare"):
            return None
        name = str(listed["Names"][0]).removeprefix(f"/{self.prefix}-")
        return None if labels[KIND] == "spare" and name == labels[DEPLOYMENT] else name

    async def run(self, box: Box, log: Log) -> tuple[int, bool]:
        """Run a box to its end, its output going to the log: exit status, and whether it ran out of memory.

        The box is removed, however this ends."""
        name = await unbroken(self.create(box))
        try:
            await unbroken(self.start(name))
            await self.follow(name, log).ended
            status = int((await self.call("wait", name, timeout=60))["StatusCode"])
            state = (await self.call("inspect_container", name))["State"] if status else {}
            return status, bool(state.get("OOMKilled"))
        finally:
            await unbroken(self.remove(name))

    def follow(self, name: str, log: Log) -> Follow:
        return Follow(self, name, log)

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

    def _left_over(self, listed: dict[str, Any]) -> bool:
        """A spare that was used has another name than the one it was made with."""
        made = listed["Labels"][DEPLOYMENT]
        return self.stale(made) and f"/{self.prefix}-{made}" in listed["Names"]

    def _create(self, box: Box, facts: Facts) -> str:
        made = self.ask("create_container", **self._as_options(box, facts))
        return str(made["Id"])

    def _as_options(self, box: Box, facts: Facts) -> dict[str, Any]:
        import docker.types

        cpus = min(box.limits.cpus, facts.cpus)
        host: dict[str, Any] = {
            "init": True,
            "mounts": list(box.mounts),
            "network_mode": self.prefix,
            "cap_drop": ["ALL"],
            "cap_add": list(box.capabilities),
            "security_opt": ["no-new-privileges"],
            "mem_limit": box.limits.memory,
            "memswap_limit": box.limits.memory,
            "nano_cpus": int(cpus * 1e9),
            "pids_limit": box.limits.pids,
            "ulimits": [docker.types.Ulimit(name="nofile", soft=box.limits.files, hard=box.limits.files)],
            "log_config": docker.types.LogConfig(type="json-file", config={"max-size": "4m", "max-file": "2"}),
            "restart_policy": {"Name": "no"},
        }
        if box.memory_tmp:
            host["tmpfs"] = {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={box.limits.memory // 4}"}  # noqa: S108
        if box.publish:
            host["port_bindings"] = {box.publish: ("127.0.0.1", None)}
        return {
            "image": box.image,
            "name": box.name,
            "command": list(box.command) if box.command else None,
            "environment": box.env,
            "working_dir": box.folder,
            "user": box.user,
            "labels": self.labels(box.kind, box.deployment),
            "ports": [box.publish] if box.publish else None,
            "host_config": self.connect().create_host_config(**host),
        }

    async def join_network(self) -> None:
        """Have our network, made when it is not there."""
        if self._network is None or (self._network.done() and self._network.exception()):
            self._network = asyncio.ensure_future(self._make_network())
        await asyncio.shield(self._network)

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
                raise Unavailable(f"the network {self.prefix} can't be made: {refused}") from refused


def address(container: dict[str, Any]) -> str:
    """A container's own address, as `containers` or `inspect_container` tell it; empty when it has none."""
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")), "")


class Follow:
    """Copies a container's output into a log, from its begin until it ends or is left."""

    def __init__(self, engine: Engine, name: str, log: Log) -> None:
        self._engine, self._name, self._log = engine, name, log
        self._stream: Any = None
        self._left = threading.Event()
        self.ended = asyncio.ensure_future(engine.stream(self._copy))

    async def leave(self) -> None:
        """Stop copying; the container goes on."""
        self._left.set()
        if self._stream is not None and not self.ended.done():
            await self._engine.thread(self._close)
        await asyncio.wait([self.ended])

    def _copy(self) -> None:
        try:
            self._stream = self._engine.ask("logs", self._name, stdout=True, stderr=True, stream=True, follow=True)
        except Refused as refused:
            if refused.status == 404:  # removed before it was read
                return
            raise
        if self._left.is_set():
            self._close()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            for chunk in self._stream:
                self._log.write(decode(chunk))
        except (OSError, ValueError):  # closed by `leave` while we read
            return
        finally:
            self._stream._response.close()

    def _close(self) -> None:
        try:
            self._stream.close()
        except (OSError, ValueError, AttributeError):  # it ended by itself at the same time
            return


def _dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _chown(folders: Sequence[Path]) -> None:
    for top in folders:
        os.chown(top, NOBODY, NOBODY, follow_symlinks=False)
        for folder, names, files in os.walk(top):
            for name in (*names, *files):
                os.chown(f"{folder}/{name}", NOBODY, NOBODY, follow_symlinks=False)
