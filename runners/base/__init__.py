"""The words and promises that every backend, router and framework rule shares.

`Plan` is what detection found, `Artifact` what a build left, `Instance` one thing that runs.  All are frozen,
plain and JSON-able through `as_json` / `from_json`, because they are kept in the database between two lives of
the process.
"""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Self

Kind = Literal["server", "static", "worker", "cli", "multi"]


class _Record:
    """A frozen dataclass that survives a trip through JSON."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in raw.items() if key in known})


@dataclasses.dataclass(frozen=True, slots=True)
class Migration(_Record):
    """One step that changes a database, found in the tree; nobody says that it was run.

    `name` is its path, `digest` 16 hex digits over what is in it."""

    name: str
    digest: str
    destroys: str | None = None  # what code from before it will miss, in words; None: nothing that can be told


@dataclasses.dataclass(frozen=True, slots=True)
class Backing(_Record):
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
class Plan(_Record):
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
class Artifact(_Record):
    """What a build left.  Never changed, only started, served, promoted or removed."""

    digest: str  # "sha256:..." over tree, plan, dependencies and outputs
    kind: Literal["directory", "image"]
    plan: Mapping[str, Any]  # Plan.as_json()
    scope: str
    path: str | None = None  # directory: the files (server: copied for each instance; static: served as they are)
    deps: str | None = None  # directory: the dependency layer beside them
    image: str | None = None  # image: its id

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
class Instance(_Record):
    """One thing that runs, as its backend knows it."""

    id: str  # the backend's own name for it
    deployment: str
    runner: str
    host: str  # where the router reaches it
    port: int


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


@dataclasses.dataclass(frozen=True, slots=True)
class Target(_Record):
    """Where a hostname leads: to an instance, a directory, or a page about what is going on."""

    kind: Literal["instance", "static", "page"]
    deployment: str
    host: str = ""  # instance
    port: int = 0
    path: str = ""  # static: the directory
    fallback: bool = False
    asleep: bool = False  # instance or page: the next request wakes it
    state: str = ""  # page: building, failed, closed, ...
    title: str = ""
    lines: tuple[str, ...] = ()  # page: what happened so far
    log: str = ""  # page: path of the log file whose end is shown
    robots: bool = False  # False: tell search engines to stay away


# Upper bounds, in seconds, of the buckets of Traffic.latency; each is 1.3 to 1.7 times the one before.  One more
# bucket takes what was slower.
LATENCY = tuple(
    round(step * decade, 6) for decade in (0.001, 0.01, 0.1, 1.0, 10.0) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic(_Record):
    """What a router counted for one deployment; sums and differences of it are Traffic too.

    A request counts when the application answered it, or should have: pages of our own, upgrades (WebSockets), broken
    requests and clients that left at once do not."""

    requests: int = 0
    failures: int = 0  # of these: answered with 5xx, or not at all
    bytes_out: int = 0  # of bodies and WebSockets, towards clients
    latency: tuple[int, ...] = ()  # requests by their time to the response head; () is nothing but zeros

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        return cls(**{**values, "latency": tuple(raw.get("latency", ()))})

    def __add__(self, other: Traffic) -> Traffic:
        return self._with(other, 1)

    def __sub__(self, other: Traffic) -> Traffic:
        return self._with(other, -1)

    @property
    def timed(self) -> int:
        """Requests with a known time to the response head."""
        return sum(self.latency)

    def slower(self, seconds: float) -> int:
        """Requests that took longer; `seconds` counts as the next bound of LATENCY above it."""
        return sum(self.latency[bisect.bisect_left(LATENCY, seconds) + 1 :])

    def quantile(self, share: float) -> float | None:
        """The bound of LATENCY that this share of requests stayed within, in seconds; None without any.

        What was slower than the last bound counts as that bound."""
        seen, wanted = 0, share * self.timed
        for bound, number in zip((*LATENCY, LATENCY[-1]), self.latency, strict=False):
            seen += number
            if seen and seen >= wanted:
                return bound
        return None

    def _with(self, other: Traffic, sign: int) -> Traffic:
        pairs = itertools.zip_longest(self.latency, other.latency, fillvalue=0)
        return Traffic(
            self.requests + sign * other.requests,
            self.failures + sign * other.failures,
            self.bytes_out + sign * other.bytes_out,
            tuple(mine + sign * theirs for mine, theirs in pairs),
        )


class Router(Protocol):
    """What sends a hostname's requests somewhere."""

    async def point(self, host: str, target: Target) -> None:
        """The only switch: requests that begin after it returns reach `target`; older ones end where they are."""

    async def drop(self, host: str) -> None: ...

    async def drained(self, deployment: str, seconds: float) -> bool:
        """Wait until no request to that deployment is under way; False when time ran out."""

    def traffic(self) -> Mapping[str, Traffic]:
        """What was counted since the previous call, by deployment; for one reader, who adds it up."""


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
