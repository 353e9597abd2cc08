"""Docker compose: which of its services is the web one, what stands beside it, and what is left out.

Of the file only what makes a preview is taken: what is built, with which words, and databases that we can run
ourselves.  Mounts of the host, privileges, networks and devices are never taken over.
"""

from __future__ import annotations

import dataclasses
import itertools
import posixpath
import re
from collections.abc import Callable, Iterator
from shlex import join, quote
from typing import Any

from runners.base import Backing, Plan
from runners.frameworks import docker, mounts, yaml
from runners.frameworks.folders import several
from runners.frameworks.tree import Tree, words

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MAX_SERVICES = 40
MAX_DATABASES = 4

_WEB = ("web", "app", "frontend", "front", "client", "ui", "site", "server", "backend", "api")
_PORTS = (80, 443, 8080, 3000, 8000, 5000, 4000, 5173, 4200, 8501)
_DOORS = words("proxy nginx caddy traefik gateway haproxy reverse-proxy ingress")
_WORKERS = words("worker workers celery beat scheduler cron queue migrate migrations migration seed init test tests")
_NEVER = words(
    "privileged network_mode pid ipc devices cap_add security_opt volumes volumes_from extra_hosts userns_mode sysctls"
    " cgroup_parent secrets configs runtime gpus"
)
_DATABASES = (
    (re.compile(r"(?:^|/)(?:postgres|postgis|timescaledb|pgvector)(?::|$)"), "postgresql"),
    (re.compile(r"(?:^|/)(?:mysql|mysql-server|mariadb)(?::|$)"), "mysql"),
    (re.compile(r"(?:^|/)(?:redis|redis-stack|redis-stack-server|valkey)(?::|$)"), "redis"),
)
_USUAL = {"redis": "REDIS_URL"}  # else DATABASE_URL
_TAG = re.compile(r":(?:pg)?(\d+(?:\.\d+)?)")
_VARIABLE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?([-?+])([^{}]*))?\})")
_DEV = re.compile(
    r"\b(?:npm|pnpm|yarn|bun)\W{1,6}(?:run\W{1,6})?(?:dev|serve)\b|\bvite\b(?!\W{1,4}build)|\bnext\W{1,6}dev\b"
    r"|\breact-scripts\W{1,6}start\b|\bng\W{1,6}serve\b"
)
_CMD = re.compile(r"^[ \t]*(?:CMD|ENTRYPOINT)\b(.*(?:\\\n.*)*)", re.IGNORECASE | re.MULTILINE)
_MOST_VARIABLES = 200  # of one service
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,62}")
_KEY = re.compile(r"[A-Za-z_]\w{0,100}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Service:
    """One service that is built."""

    name: str
    raw: dict[str, Any]
    folder: str  # the build context, "." for the root
    dockerfile: str  # seen from there
    ports: tuple[int, ...]
    text: str  # of the Dockerfile


def detect(tree: Tree, native: Callable[[Tree], Plan | None]) -> Plan | None:
    """The plan of a compose project; None when there is none, or a Dockerfile at the root says as much.

    `native`: what a folder is without its Dockerfile, for those that would start a development server."""
    name = tree.first(*NAMES)
    raw = _services(tree, name)
    built = [one for key, each in raw.items() if (one := _service(tree, key, each))]
    shown = _shown(built)
    if not shown or (len(raw) == 1 and tree.first(*docker.NAMES)):
        return None
    databases, known = _databases(raw)
    plans = [_plan(tree, one, (databases, known), native) for one in shown]
    left = _left_out(raw, {one.name for one in shown} | databases.keys())
    why = {"language": f"{name} says how it is built"} | ({"compose": "; ".join(left)} if left else {})
    if len(plans) == 1:
        (plan,) = plans
        return dataclasses.replace(plan, why={**plan.why, **why, "kind": f"{shown[0].name} is its web service"})
    together = several(plans)
    names = {id(plan): one.name for plan, one in zip(plans, shown, strict=True)}
    called = [names[id(plan)] for plan in together.parts]
    together = dataclasses.replace(together, framework="compose", why={**together.why, **why})
    return mounts.placed(tree, together, called)


def _services(tree: Tree, name: str | None) -> dict[str, dict[str, Any]]:
    """What the file says of each service that is always on."""
    found = yaml.mapping(tree.text(name)).get("services") if name else None
    listed = list(found.items())[:MAX_SERVICES] if isinstance(found, dict) else []
    return {key: one for key, one in listed if isinstance(one, dict) and _is_on(key, one)}


def _shown(built: list[_Service]) -> list[_Service]:
    """The services that people look at, the likeliest first; a door to the others only when it stands alone."""
    serving = sorted((one for one in built if _answers(one)), key=_order)
    return [one for one in serving if one.name not in _DOORS] or serving


def _is_on(name: str, raw: dict[str, Any]) -> bool:
    return _NAME.fullmatch(name) is not None and not raw.get("profiles")


def _service(tree: Tree, name: str, raw: dict[str, Any]) -> _Service | None:
    """None when it is not built from a Dockerfile of this tree."""
    build = raw.get("build")
    said = {"context": build} if isinstance(build, str) else build
    if not isinstance(said, dict):
        return None
    folder, dockerfile = _place(said.get("context"), "."), _place(said.get("dockerfile"), "Dockerfile")
    outside = any(path.startswith(("/", "..", "~")) or ":" in path for path in (folder, dockerfile))
    place = posixpath.normpath(posixpath.join(folder, dockerfile))
    if outside or not tree.has(place) or said.get("dockerfile_inline"):
        return None
    text = tree.text(place)
    return _Service(name, {**raw, "build": said}, folder, dockerfile, tuple(_ports(raw)) or _exposed(text), text)


def _place(said: Any, usual: str) -> str:
    return posixpath.normpath(_filled(said or usual) or usual)


def _exposed(text: str) -> tuple[int, ...]:
    port = docker.exposed(text)
    return (port,) if port else ()


def _ports(raw: dict[str, Any]) -> Iterator[int]:
    """The container's side of `ports`, then of `expose`."""
    for one in [*_list(raw.get("ports")), *_list(raw.get("expose"))]:
        word = _filled(one.get("target") if isinstance(one, dict) else one) or ""
        last = word.partition("/")[0].rpartition(":")[2].partition("-")[0]
        if last.isdecimal() and 0 < int(last) < 65536:
            yield int(last)


def _answers(one: _Service) -> bool:
    """It listens somewhere, and is not called something that does other work."""
    return bool(one.ports) and _WORKERS.isdisjoint(re.split(r"[-_.]", one.name))


def _order(one: _Service) -> tuple[bool, int, int, str]:
    port = min((_PORTS.index(port) for port in one.ports if port in _PORTS), default=len(_PORTS))
    called = _WEB.index(one.name) if one.name in _WEB else len(_WEB)
    return not one.raw.get("ports"), called, port, one.name


def _plan(
    tree: Tree,
    one: _Service,
    beside: tuple[dict[str, Backing], dict[str, str]],
    native: Callable[[Tree], Plan | None],
) -> Plan:
    databases, known = beside
    env, unset = _environment(one.raw.get("environment"), known)
    used = tuple(_told(backing, env) for host, backing in databases.items() if _uses(one, host, env))
    below = tree if one.folder == "." else tree.below(one.folder)
    found = native(below) if _is_dev(one) else None
    if found is not None and found.kind in ("server", "static"):
        root = posixpath.normpath(posixpath.join(one.folder, found.root))
        why = {**found.why, "start": f"the Dockerfile of {one.name} starts a development server: it is built instead"}
        backing = used if found.kind == "server" else ()
        return dataclasses.replace(found, root=root, env={**found.env, **env}, backing=backing, why=why)
    port = one.ports[0] if one.ports else None
    why = {"entry": f"{one.name} is built from {posixpath.normpath(posixpath.join(one.folder, one.dockerfile))}"}
    if port:
        why["port"] = f"{one.name} listens on {port}"
    if used:
        why["backing"] = f"{one.name} uses {', '.join(backing.host for backing in used)}: databases of its own"
    return Plan(
        language="docker",
        kind="server",
        framework="compose",
        root=one.folder,
        entry=one.dockerfile,
        port=port,
        build=_flags(one.raw["build"]),
        start=_command(one.raw.get("command")),
        env=env,
        backing=used,
        wants=unset,
        why=why,
    )


def _is_dev(one: _Service) -> bool:
    """Its last word is a development server, which a preview is never served by."""
    told = _command(one.raw.get("command"))
    last = _CMD.findall(one.text)
    return _DEV.search(told or (last[-1] if last else "")) is not None


def _uses(one: _Service, host: str, env: dict[str, str]) -> bool:
    depends = one.raw.get("depends_on")
    if host in (depends if isinstance(depends, dict) else _list(depends)) or host in _list(one.raw.get("links")):
        return True
    return _mentions(env, host)


def _mentions(env: dict[str, str], host: str) -> bool:
    named = re.compile(rf"(?:^|[@/,]){re.escape(host)}(?:[:/,]|$)")
    return any(named.search(value) for value in env.values())


def _told(backing: Backing, env: dict[str, str]) -> Backing:
    """Where the file itself does not say how it is reached, the usual variable does."""
    if _mentions(env, backing.host):
        return backing
    return dataclasses.replace(backing, variables={_USUAL.get(backing.kind, "DATABASE_URL"): "{url}"})


def _databases(raw: dict[str, dict[str, Any]]) -> tuple[dict[str, Backing], dict[str, str]]:
    """Services of images that we know as databases, by the name others look for them under.

    Also what variables are that only whoever starts it knows, but which name nothing than such a database's own
    user and password: the same word for all who use them."""
    known: dict[str, str] = {}
    for one in raw.values():
        if _database(one) is not None:
            for _, value in _pairs(one.get("environment")):
                for found in _VARIABLE.finditer(value or ""):
                    known.setdefault(found.group(1) or found.group(2) or "", "preview")
    return dict(itertools.islice(_backings(raw, known), MAX_DATABASES)), known


def _database(one: dict[str, Any]) -> str | None:
    image = _filled(one.get("image")) or ""
    return None if one.get("build") else next((kind for form, kind in _DATABASES if form.search(image)), None)


def _backings(raw: dict[str, dict[str, Any]], known: dict[str, str]) -> Iterator[tuple[str, Backing]]:
    for name, one in raw.items():
        kind = _database(one)
        if kind is not None:
            env, _ = _environment(one.get("environment"), known)
            yield name, _MADE[kind](name, env, _version(_filled(one.get("image")) or ""))


def _version(image: str) -> str | None:
    """Of the database; what took another's place counts otherwise."""
    tag = _TAG.search(image)
    return tag.group(1) if tag and "mariadb" not in image and "valkey" not in image else None


def _postgresql(name: str, env: dict[str, str], version: str | None) -> Backing:
    user = env.get("POSTGRES_USER") or "postgres"
    password, database = env.get("POSTGRES_PASSWORD") or "postgres", env.get("POSTGRES_DB") or user
    return Backing("postgresql", name, {}, user, password, database, version)


def _mysql(name: str, env: dict[str, str], version: str | None) -> Backing:
    given = {key.replace("MARIADB_", "MYSQL_"): value for key, value in env.items()}
    user = given.get("MYSQL_USER") or "root"
    password = given.get("MYSQL_ROOT_PASSWORD" if user == "root" else "MYSQL_PASSWORD") or "app"
    return Backing("mysql", name, {}, user, password, given.get("MYSQL_DATABASE") or "app", version)


def _redis(name: str, env: dict[str, str], version: str | None) -> Backing:
    return Backing("redis", name, {}, version=version)


_MADE = {"postgresql": _postgresql, "mysql": _mysql, "redis": _redis}


def _left_out(raw: dict[str, dict[str, Any]], taken: set[str]) -> list[str]:
    """What a preview does without, in words."""
    said = []
    for name, one in raw.items():
        if name not in taken:
            what = "is no web service" if one.get("build") else f"runs {_filled(one.get('image')) or 'nothing known'}"
            said.append(f"{name} is left out: it {what}"[:200])
    keys = sorted({key for one in raw.values() for key in one if key in _NEVER})
    return [*said, *([f"not taken over: {', '.join(keys)}"] if keys else [])]


def _environment(raw: Any, known: dict[str, str] | None = None) -> tuple[dict[str, str], tuple[str, ...]]:
    """What is said, and the names of what only whoever starts it knows."""
    env: dict[str, str] = {}
    unset: list[str] = []
    for key, value in _pairs(raw):
        filled = _filled(value, known) if value is not None else (known or {}).get(key)
        if _KEY.fullmatch(key) and filled is not None:
            env[key] = filled
        elif _KEY.fullmatch(key):
            unset.append(key)
    return env, tuple(unset)


def _pairs(raw: Any) -> list[tuple[str, str | None]]:
    """As they stand there; None for a name alone.  Only texts: what aliases make of lists has no end."""
    if isinstance(raw, dict):
        return [(key, value if isinstance(value, str) else None) for key, value in raw.items()][:_MOST_VARIABLES]
    parts = [one.partition("=") for one in _list(raw) if isinstance(one, str)]
    return [(key, value if mark else None) for key, mark, value in parts][:_MOST_VARIABLES]


def _filled(value: Any, known: dict[str, str] | None = None) -> str | None:
    """With variables replaced by what they are, or what the file says they are else; None when that is nothing."""
    if not isinstance(value, str):
        return None
    missing = False

    def one(found: re.Match[str]) -> str:
        nonlocal missing
        if found.group(0) == "$$":
            return "$"
        name = found.group(1) or found.group(2)
        if found.group(3) != "-" and name not in (known or {}):
            missing = True
        return found.group(4) or "" if found.group(3) == "-" else (known or {}).get(name, "")

    filled = _VARIABLE.sub(one, value)
    return None if missing else filled


def _flags(build: dict[str, Any]) -> str | None:
    """What `docker build` is told beside the context and the Dockerfile."""
    args, _ = _environment(build.get("args"))
    target = _filled(build.get("target"))
    flags = [f"--target={quote(target)}"] if target else []
    flags += [f"--build-arg={quote(f'{name}={value}')}" for name, value in args.items()]
    return " ".join(flags) or None


def _command(raw: Any) -> str | None:
    """As one line, which is split like a shell would."""
    if isinstance(raw, list):
        words = [filled for one in raw if (filled := _filled(one)) is not None]
        return join(words) or None
    return _filled(raw) or None


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
