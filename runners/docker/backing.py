"""Databases beside an instance: each deployment has its own, on a network that nobody else is on, gone with it.

They are made before the instance, from images with the interface of the official ones, and hold nothing that has to
last: their rows live in memory and in a volume without a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import random
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from runners.base import Backing, Launch, Limits, Log, Reading, StartFailed, Unavailable
from runners.base.failures import clean
from runners.docker.box import Box
from runners.docker.engine import DEPLOYMENT, KIND, Engine, Refused
from runners.docker.stats import reading
from runners.isolation import to_end

BACKING = "backing"  # kind, of containers and networks
# Small networks out of a range that is nobody's on the Internet: the engine's own choice has room for some thirty.
_RANGE, _SIZE = ipaddress.ip_network("198.19.0.0/16"), 28
_TRIES = 20  # subnets asked for until one is free
_PULL = 300.0  # seconds
_PATIENCE = 50.0  # seconds until a database must serve
_SAID = 20  # lines of a database that failed
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")  # the entrypoint steps down from root
_HOST = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_MARK = re.compile(r"\{(url|host|port|user|password|database)\}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """What we know of one kind of database; marks as in the templates of `Backing`."""

    name: str  # for people
    image: str
    versioned: str  # the same with the version that a project asks for
    port: int
    url: str
    ready: str  # a command line in its container that ends when it serves
    flags: tuple[str, ...]  # nothing has to survive a crash: writes are not waited for
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    memory: int = 256 * 1024 * 1024


_KINDS = {
    "postgresql": _Kind(
        name="PostgreSQL",
        image="postgres:16-alpine",
        versioned="postgres:{}-alpine",
        port=5432,
        url="postgresql://{user}:{password}@{host}:{port}/{database}",
        ready="until pg_isready -q -h 127.0.0.1; do sleep 0.1; done",
        flags=("-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off", "-cshared_buffers=32MB"),
        env={
            "POSTGRES_USER": "{user}",
            "POSTGRES_PASSWORD": "{password}",
            "POSTGRES_DB": "{database}",
            "POSTGRES_INITDB_ARGS": "--no-sync",
        },
    ),
    "mysql": _Kind(
        name="MySQL",
        image="mysql:8",
        versioned="mysql:{}",
        port=3306,
        url="mysql://{user}:{password}@{host}:{port}/{database}",
        ready='ask="$(command -v mysqladmin || command -v mariadb-admin) ping --silent --connect-timeout=2";'
        " until $ask -h 127.0.0.1 >/dev/null 2>&1; do sleep 0.2; done",
        flags=(
            "--performance-schema=OFF",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
        ),
        env={"MYSQL_DATABASE": "{database}"},
        memory=512 * 1024 * 1024,  # with less it ends while it makes its tables
    ),
    "redis": _Kind(
        name="Redis",
        image="redis:7-alpine",
        versioned="redis:{}-alpine",
        port=6379,
        url="redis://{host}:{port}/0",
        ready="until redis-cli ping 2>&1 | grep -Eq 'PONG|NOAUTH'; do sleep 0.1; done",
        flags=("--save", "", "--appendonly", "no"),
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Beside:
    """What stands ready for an instance."""

    network: str | None = None  # None: nothing does
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    complete: bool = False  # all that is wanted is our own, so that its schema is ours to make

    def told(self, launch: Launch) -> Launch:
        """The same launch, which knows where they are."""
        return dataclasses.replace(launch, env={**launch.env, **self.env})


class Databases:
    """Starts them before an instance, stops them after it.  `images`: instead of the official ones, by kind."""

    def __init__(self, engine: Engine, images: Mapping[str, str]) -> None:
        self._engine, self._images = engine, images

    async def start(self, launch: Launch, log: Log) -> Beside:
        """One of each that the plan wants, serving.  Raises StartFailed, Unavailable; then nothing is left.

        What the launch itself names stays its own: somebody has said which database that is."""
        backing = launch.artifact.the_plan().backing
        wanted = [each for each in backing if not set(each.variables) & set(launch.env)]
        if not wanted:
            return Beside()
        try:
            await to_end(self._make_room(launch.deployment))
            network = await self._network(launch.deployment)
            env: dict[str, str] = {}
            numbered = enumerate(wanted)
            for given in await asyncio.gather(*(self._one(launch, each, at, network, log) for at, each in numbered)):
                env |= given
        except BaseException:
            await to_end(self.clear(launch.deployment))
            raise
        return Beside(network, env, complete=len(wanted) == len(backing))

    async def _make_room(self, deployment: str) -> None:
        """What an unfinished start of the same deployment left goes, and with it whatever is on its network."""
        await self._engine.remove(f"{self._engine.prefix}-{deployment}")
        await self.clear(deployment)

    async def clear(self, deployment: str) -> None:
        """Remove a deployment's databases, their rows and their network; none are fine."""
        for each in await self._of(deployment):
            await self._engine.remove(each["Id"])
        for network in await self._networks(f"{DEPLOYMENT}={deployment}"):
            await self._drop(network)

    async def pause(self, deployment: str) -> None:
        """Freeze them, like the instance that they are for."""
        await self._each(deployment, "pause")

    async def unpause(self, deployment: str) -> None:
        await self._each(deployment, "unpause")

    async def with_used(self, deployment: str, own: Reading) -> Reading:
        """What an instance has used, with what its databases have: a program can have them work for it."""
        cpu, memory = own.cpu_seconds, own.memory
        for each in await self._of(deployment):
            with contextlib.suppress(Refused):  # gone just now
                stats = await self._engine.call("stats", each["Id"], stream=False, one_shot=True)
                used = reading(stats, 0, "")
                cpu, memory = cpu + (used.cpu_seconds if used else 0), memory + (used.memory if used else 0)
        return dataclasses.replace(own, cpu_seconds=cpu, memory=memory)

    async def sweep(self) -> None:
        """Remove those that a crash left without an instance."""
        for each in await self._engine.own(label=[f"{KIND}={BACKING}"]):
            if await self._is_left(each["Labels"]):
                await self._engine.remove(each["Id"])
        for network in await self._networks():
            if await self._is_left(network["Labels"]):
                await self._drop(network)

    async def _is_left(self, labels: dict[str, str]) -> bool:
        """Whoever made it is no more, and the instance that it was made for never came to be, or is gone."""
        return self._engine.orphaned(labels) and not await self._engine.known(labels[DEPLOYMENT])

    async def _one(self, launch: Launch, wanted: Backing, number: int, network: str, log: Log) -> dict[str, str]:
        """Start one; the variables that say where it is."""
        kind = _KINDS[wanted.kind]
        name = self._image_name(wanted, kind)
        image = await self._image(name, kind, log)
        locked = wanted.kind != "redis" or _has_password(wanted)
        values = _values(wanted, kind, locked=locked)
        box = Box(
            name=f"{self._engine.prefix}-{launch.deployment}-{number}",
            kind=BACKING,
            deployment=launch.deployment,
            image=image,
            limits=Limits(memory=kind.memory, cpus=1.0, pids=128),
            command=[
                *kind.flags,
                *(["--requirepass", values["password"]] if wanted.kind == "redis" and locked else []),
            ],
            env=_environment(wanted, kind, values),
            capabilities=_CAPABILITIES,
            network=network,
            alias=values["host"],
        )
        await to_end(self._engine.create(box))
        await to_end(self._engine.start(box.name))
        await self._serving(box.name, kind, log)
        log.write(f"{kind.name} is ready ({name}), for this preview only.\n")
        return {variable: _filled(template, values) for variable, template in wanted.variables.items()}

    def _image_name(self, wanted: Backing, kind: _Kind) -> str:
        asked = wanted.version if wanted.version and _VERSION.fullmatch(wanted.version) else None
        return self._images.get(wanted.kind) or (kind.versioned.format(asked) if asked else kind.image)

    async def _image(self, name: str, kind: _Kind, log: Log) -> str:
        """Its id, pulled when it is missing."""
        try:
            return str((await self._engine.call("inspect_image", name))["Id"])
        except Refused as refused:
            if refused.status != 404:
                raise
        log.write(f"Pulling {name}.\n")
        try:
            async with asyncio.timeout(_PULL):
                await self._engine.stream(self._engine.ask, "pull", name)
            return str((await self._engine.call("inspect_image", name))["Id"])
        except (Refused, TimeoutError) as refused:
            hint = f"Set SLIPWAY_IMAGE_{kind.name.upper()} to an image that this machine can have."
            told = f"The image {name} for {kind.name} can't be pulled: {refused or 'it takes too long'}"
            raise StartFailed(told, step="prepare", hint=hint) from refused

    async def _serving(self, name: str, kind: _Kind, log: Log) -> None:
        """Wait until it does.  Raises StartFailed."""
        told = f"{kind.name} did not serve within {_PATIENCE:g} s"
        with contextlib.suppress(TimeoutError, Refused):
            async with asyncio.timeout(_PATIENCE):
                made = await self._engine.call("exec_create", name, ["/bin/sh", "-c", kind.ready])
                await self._engine.stream(self._engine.ask, "exec_start", made["Id"])
                if (await self._engine.call("exec_inspect", made["Id"]))["ExitCode"] == 0:
                    return
                told = f"{kind.name} ended before it served"
        said = await self._engine.call("logs", name, tail=_SAID)
        log.write(clean(bytes(said).decode("utf-8", "replace")))
        raise StartFailed(told, step="prepare", hint="The end of the log says more.")

    async def _network(self, deployment: str) -> str:
        """One that leads nowhere else, not even to this machine where the engine can do that."""
        name = f"{self._engine.prefix}-{deployment}"
        for _ in range(_TRIES):
            try:
                await self._engine.call(
                    "create_network",
                    name,
                    driver="bridge",
                    internal=True,
                    ipam=_subnet(),
                    options={"com.docker.network.bridge.inhibit_ipv4": "true"},
                    labels=self._engine.labels(BACKING, deployment),
                    check_duplicate=True,
                )
            except Refused as refused:
                if "overlaps" not in str(refused):
                    raise
            else:
                return name
        raise Unavailable("the Docker engine has no room for another network")

    async def _networks(self, *labels: str) -> list[dict[str, Any]]:
        wanted = {"label": [f"{KIND}={BACKING}", *labels]}
        listed = await self._engine.call("networks", filters=wanted)
        return [each for each in listed if self._engine.ours(each["Labels"])]

    async def _drop(self, network: dict[str, Any]) -> None:
        """An instance that is still on it keeps it."""
        with contextlib.suppress(Refused):
            await self._engine.call("remove_network", network["Id"])

    async def _of(self, deployment: str) -> list[dict[str, Any]]:
        return await self._engine.own(label=[f"{KIND}={BACKING}", f"{DEPLOYMENT}={deployment}"])

    async def _each(self, deployment: str, method: str) -> None:
        for each in await self._of(deployment):
            with contextlib.suppress(Refused):  # it is so already
                await self._engine.call(method, each["Id"])


def _subnet() -> Any:
    from docker.types import IPAMConfig, IPAMPool

    number = random.randrange(2 ** (_SIZE - _RANGE.prefixlen))  # noqa: S311 (nothing secret about it)
    first = _RANGE.network_address + number * 2 ** (32 - _SIZE)
    return IPAMConfig(pool_configs=[IPAMPool(subnet=f"{first}/{_SIZE}")])


def _has_password(wanted: Backing) -> bool:
    return wanted.password is not None or any("{password}" in each for each in wanted.variables.values())


def _values(wanted: Backing, kind: _Kind, *, locked: bool) -> dict[str, str]:
    """What the marks stand for."""
    values = {
        "host": wanted.host if _HOST.fullmatch(wanted.host) else wanted.kind,
        "port": str(kind.port),
        "user": wanted.user,
        "password": wanted.password if wanted.password is not None else secrets.token_hex(16),
        "database": wanted.database,
    }
    form = kind.url.replace("://", "://:{password}@") if wanted.kind == "redis" and locked else kind.url
    return {**values, "url": _filled(form, {name: quote(value, safe="") for name, value in values.items()})}


def _environment(wanted: Backing, kind: _Kind, values: Mapping[str, str]) -> dict[str, str]:
    """What its image wants to be told."""
    env = {name: _filled(template, values) for name, template in kind.env.items()}
    if wanted.kind != "mysql":
        return env
    if wanted.user == "root":  # who is always there, and can't be made
        return {**env, "MYSQL_ROOT_PASSWORD": values["password"]}
    own = {"MYSQL_USER": values["user"], "MYSQL_PASSWORD": values["password"], "MYSQL_RANDOM_ROOT_PASSWORD": "yes"}
    return {**env, **own}


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Never `str.format`: templates may come from a project."""
    return _MARK.sub(lambda mark: values[mark.group(1)], template)
