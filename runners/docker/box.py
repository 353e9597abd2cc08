"""One container to be made, in our words and in the engine's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from runners.base import Limits

# Microseconds, the kernel's usual one.  Not the engine's "nano CPUs": those can't be changed later with the SDK.
PERIOD = 100_000


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """One container to be made."""

    name: str
    kind: str  # build, instance, spare, backing
    deployment: str
    image: str
    limits: Limits
    command: Sequence[str] | None = None  # None: the image's own
    entrypoint: Sequence[str] | None = None  # the same
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mounts: Sequence[Any] = ()
    folder: str | None = None  # working directory
    user: str | None = None  # None: the image's own
    capabilities: Sequence[str] = ()  # all others are dropped
    memory_tmp: bool = True  # /tmp in memory, which counts against the limit; builds want a larger one on disk
    network: str | None = None  # None: our own; "none": no other than itself
    alias: str | None = None  # its name on that network, for the others there
    read_only: bool = False  # all but /tmp and what is mounted to be written
    logged: bool = True  # the engine keeps what it prints
    publish: int | None = None  # a port to publish on 127.0.0.1, where container addresses can't be reached

    def options(self, client: Any, *, network: str, labels: Mapping[str, str], processors: int) -> dict[str, Any]:
        """What `create_container` of the SDK's client wants to be told.  `processors`: how many there are."""
        return {
            "image": self.image,
            "name": self.name,
            "command": list(self.command) if self.command else None,
            "entrypoint": list(self.entrypoint) if self.entrypoint else None,
            "environment": dict(self.env),
            "working_dir": self.folder,
            "user": self.user,
            "labels": dict(labels),
            "ports": [self.publish] if self.publish else None,
            "host_config": client.create_host_config(**self._host(self.network or network, processors)),
            "networking_config": self._named(client),
        }

    def _named(self, client: Any) -> Any:
        if self.alias is None:
            return None
        return client.create_networking_config({self.network: client.create_endpoint_config(aliases=[self.alias])})

    def _host(self, network: str, processors: int) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        limits = self.limits
        host: dict[str, Any] = {
            "init": True,
            "mounts": list(self.mounts),
            "network_mode": network,
            "cap_drop": ["ALL"],
            "cap_add": list(self.capabilities),
            "security_opt": ["no-new-privileges"],
            "mem_limit": limits.memory,
            "memswap_limit": limits.memory,
            "cpu_period": PERIOD,
            "cpu_quota": int(min(limits.cpus, processors) * PERIOD),
            "pids_limit": limits.pids,
            "ulimits": [Ulimit(name="nofile", soft=limits.files, hard=limits.files)],
            "log_config": LogConfig(type="json-file", config={"max-size": "4m", "max-file": "2"}),
            "read_only": self.read_only,
            "restart_policy": {"Name": "no"},
        }
        if not self.logged:
            host["log_config"] = LogConfig(type="none")
        if self.memory_tmp:
            host["tmpfs"] = {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={limits.memory // 4}"}  # noqa: S108
        if self.publish:
            host["port_bindings"] = {self.publish: ("127.0.0.1", None)}
        return host
