"""The words and promises that every backend, router and framework rule shares.

`Plan` is what detection found, `Artifact` what a build left, `Instance` one thing that runs.  All are frozen,
plain and JSON-able through `as_json` / `from_json`, because they are kept in the database between two lives of
the process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from runners.base.record import Record
from runners.base.routing import LATENCY, Mount, Router, Target, Traffic

__all__ = [
    "LATENCY",
    "TOO_LONG",
    "Artifact",
    "Backing",
    "BuildFailed",
    "Failed",
    "Gone",
    "Instance",
    "Kind",
    "Launch",
    "Limits",
    "Log",
    "Migration",
    "Mount",
    "Plan",
    "Reading",
    "Router",
    "RunFailed",
    "Runner",
    "RunnerError",
    "Source",
    "StartFailed",
    "Target",
    "Traffic",
    "Unavailable",
]

Kind = Literal["server", "static", "worker", "cli", "multi"]


@dataclasses.dataclass(frozen=True, slots=True)
class Migration(Record):
    """One step that changes a database, found in the tree; nobody says that it was run.

    `name` is its path, `digest` 16 hex digits over what is in it."""

    name: str
    digest: str
    destroys: str | None = None  # what code from before it will miss, in words; None: nothing that can be told


@dataclasses.dataclass(frozen=True, slots=True)
class Backing(Record):
    """A database server that a project wants beside it: one of its own per preview, gone with it.

    `host` is the name under which the project looks for it; `variables` are set for the project, each a template of
    {url}, {host}, {port}, {user}, {password} and {database}."""

    kind: Literal["postgresql", "mysql", "redis"]
    host: str
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user: str = "app"
    password: str | None = None  # None: made anew for each instance
    database: str = "app"
    version: str | None = None  # as the project asks for it: "16"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan(Record):
    """How to build and run a tree, found in its files, with the evidence for each field in `why`.

    Paths are relative to `root`, which is relative to the tree ("." when they are the same).  `install`, `build`
    and `start` are shell command lines of the project itself; they run in `root` with `PORT` and `HOST` set, the
    virtual environment or `node_modules/.bin` first on PATH and, for Python, `uv pip install` pointed at that
    environment.
    """

    language: str  # python, node, static, docker, procfile, ...
    kind: Kind
    framework: str | None = None
    package_manager: str | None = None
    root: str = "."
    entry: str | None = None  # "app:app" for Python servers, a file for the rest
    static_dir: str | None = None  # what is served when kind == "static"; "." is the root
    fallback: bool = False  # static: unknown paths answer index.html (client-side routing)
    port: int | None = None  # a hint only: the port that is really listened on wins
    version: str | None = None  # of the language, as the project asks for it: "3.12", "20"
    manifests: tuple[str, ...] = ()  # files that decide the dependency layer, with the locks
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)  # made by detection, laid beside the manifests
    install: tuple[str, ...] = ()
    install_in_tree: bool = False  # the install step needs the whole tree (workspaces, install scripts, path deps)
    build: str | None = None
    start: str | None = None
    release: str | None = None  # run once before a release of this serves, never for a preview
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    health: str = "/"
    system_packages: tuple[str, ...] = ()
    parts: tuple[Plan, ...] = ()  # kind == "multi": one plan per service
    mount: str | None = None  # of a part: the path it answers below, "/" or "/api"; None: it is not shown
    strip: bool = False  # of a part: its own paths don't begin with `mount`, so that is taken away
    caches: tuple[str, ...] = ()  # folders below `root` that the build step fills to be faster the next time
    backing: tuple[Backing, ...] = ()
    prepare: str | None = None  # run once in a preview, when its databases are there, before `start`: migrations
    wants: tuple[str, ...] = ()  # environment variables that the code reads and nothing sets; for people
    migrations: tuple[Migration, ...] | None = None  # by name; None: nobody looked
    why: Mapping[str, str] = dataclasses.field(default_factory=dict)  # field -> evidence, for people

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        lists = {"manifests", "install", "system_packages", "caches", "wants"}
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in raw.items() if k in known}
        values["parts"] = tuple(cls.from_json(part) for part in raw.get("parts", ()))
        values["backing"] = tuple(Backing.from_json(one) for one in raw.get("backing", ()))
        if raw.get("migrations") is not None:
            values["migrations"] = tuple(Migration.from_json(one) for one in raw["migrations"])
        return cls(**values)

    @property
    def shown(self) -> tuple[Plan, ...]:
        """Of several services those that have a path of their own."""
        return tuple(part for part in self.parts if part.mount is not None)

    @property
    def runs(self) -> bool:
        """Something of it has to be started; False: files are served, or there is nothing to open."""
        return any(part.runs for part in self.shown) if self.kind == "multi" else self.kind == "server"

    @property
    def digest(self) -> str:
        """Names what the plan does; `why` is for people and does not count.

        Migrations don't either: they follow from the tree, which is in every key beside this, and what was built
        before anybody looked for them is built no other way now.  So it is with what later versions of us look for
        and don't find."""
        raw = {**self.as_json(), "why": None, "parts": [part.digest for part in self.parts]}
        for name in _SAYS_NOTHING:
            del raw[name]
        for name in _CAME_LATER:
            if not raw[name]:
                del raw[name]
        return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


_SAYS_NOTHING = ("migrations", "wants")  # of how it is built and run
_CAME_LATER = ("release", "mount", "strip", "caches", "backing", "prepare")


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A revision's files on disk, ready to be built.  `path` is shared and must never be written to."""

    path: Path  # the pristine tree
    tree_hash: str  # git's hash of it
    plan: Plan
    scope: str  # trust domain: caches and dependency layers are shared inside it and nowhere else


@dataclasses.dataclass(frozen=True, slots=True)
class Artifact(Record):
    """What a build left.  Never changed, only started, served, promoted or removed."""

    digest: str  # "sha256:..." over tree, plan, dependencies and outputs
    kind: Literal["directory", "image", "several"]
    plan: Mapping[str, Any]  # Plan.as_json()
    scope: str
    path: str | None = None  # directory: the files (server: copied for each instance; static: served as they are)
    deps: str | None = None  # directory: the dependency layer beside them
    image: str | None = None  # image: its id
    parts: tuple[Artifact, ...] = ()  # several: one for each part of the plan that is shown, in its order

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        return cls(**{**values, "parts": tuple(cls.from_json(part) for part in raw.get("parts", ()))})

    def folders(self) -> Iterator[str]:
        """All that it needs on disk."""
        yield from (path for path in (self.path, self.deps) if path)
        for part in self.parts:
            yield from part.folders()

    def the_plan(self) -> Plan:
        return Plan.from_json(self.plan)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What one build or instance may use at most."""

    memory: int = 512 * 1024 * 1024  # bytes
    cpus: float = 2.0
    pids: int = 512
    files: int = 4096
    seconds: float = 600.0  # builds: in all; instances: until healthy


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """One request to run an artifact."""

    deployment: str  # id; the instance's name and label are made of it
    artifact: Artifact
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limits: Limits = dataclasses.field(default_factory=Limits)


@dataclasses.dataclass(frozen=True, slots=True)
class Instance(Record):
    """One thing that runs, as its backend knows it."""

    id: str  # the backend's own name for it
    deployment: str
    runner: str
    host: str  # where the router reaches it; of several: the first
    port: int
    parts: tuple[Instance, ...] = ()  # several services that are one preview: those that run, in their order

    def as_json(self) -> dict[str, Any]:
        """As it is read again, so that the two can be compared."""
        return {**dataclasses.asdict(self), "parts": [part.as_json() for part in self.parts]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        return cls(**{**values, "parts": tuple(cls.from_json(part) for part in raw.get("parts", ()))})


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What an instance has used, as its backend counts it."""

    cpu_seconds: float  # of all its processes, also those that have ended, since its life began
    memory: int  # bytes, now
    disk: int  # bytes that it alone keeps, now
    life: str = ""  # names one life of the counter: in another one it began at nothing


class Log(Protocol):
    """Where a step's output goes, line by line; called from any thread."""

    def write(self, text: str) -> None: ...


class Runner(Protocol):
    """A backend.  Every method may be cancelled and then leaves nothing of its own running."""

    name: str
    isolates: bool  # False: say so wherever the preview is told of

    async def ready(self) -> None:
        """Raise Unavailable when the backend can't be used now."""

    async def build(self, source: Source, limits: Limits, log: Log) -> Artifact:
        """Make the artifact; the same tree and plan give the same digest, at once when it is there already.

        Raises BuildFailed."""

    async def start(self, launch: Launch, log: Log) -> Instance:
        """Run it and return when it answers healthily on the port it really listens on.  Raises StartFailed."""

    async def run(self, launch: Launch, command: str, log: Log) -> None:
        """Run a command line of the project to its end, where an instance of it would run and with all it would see.

        It has `launch.limits.seconds`; what it printed is in the log, its files and processes go with it.
        Raises RunFailed."""

    async def stop(self, instance: Instance) -> None:
        """Stop and remove it with all it left; a second call does nothing."""

    async def sleep(self, instance: Instance) -> None:
        """Take its processor away, keep its memory and files."""

    async def wake(self, instance: Instance) -> None:
        """Undo `sleep`.  Raises Gone when there is nothing to wake."""

    async def healthy(self, instance: Instance) -> bool:
        """One probe of the health path, below 500."""

    async def instances(self) -> list[Instance]:
        """Everything that runs and carries our own label and home.  Raises Unavailable; never an empty guess."""

    async def logs(self, instance: Instance, lines: int = 200) -> str:
        """The end of what it printed."""

    async def usage(self, instance: Instance) -> Reading | None:
        """What it has used.  None: it runs no more, or the backend can't tell."""

    async def forget(self, artifact: Artifact) -> None:
        """Remove what a build left, when nothing points at it any more."""

    async def close(self) -> None:
        """Let go of connections and spares; running instances go on."""


class RunnerError(Exception):
    """A backend's refusal; its text is for people."""


class Unavailable(RunnerError):
    """The backend itself does not answer."""


class Gone(RunnerError):
    """The instance is no more."""


class Failed(RunnerError):
    """The project's own fault.  `step` names what failed, `hint` says what to do next."""

    def __init__(
        self, message: str, *, step: str, hint: str = "", path: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.step, self.hint, self.path, self.line = step, hint, path, line


class BuildFailed(Failed):
    """Detect, install or build ended with an error."""


class StartFailed(Failed):
    """It ended, or did not answer in time."""


class RunFailed(Failed):
    """A command line ended with an error, or not in time."""


TOO_LONG = "It took longer than {:g} s and was ended."  # of a command line
