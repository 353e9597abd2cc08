"""Which databases a project wants beside it, by which variables it finds them, and how their tables are made.

The rule: a variable for an address that the code reads, and something that says which database speaks there (a driver
that is asked for, a scheme in the example file or in the code, a framework's own configuration).  A driver alone says
little.  Where the code falls back to SQLite that is taken, unless a driver and the example file agree on another.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Literal

from runners.base import Backing, Plan
from runners.frameworks import migrate
from runners.frameworks.tree import Tree
from runners.frameworks.variables import Variables, named, written

Kind = Literal["postgresql", "mysql", "redis"]
NAMES: Mapping[Kind, str] = {"postgresql": "PostgreSQL", "mysql": "MySQL", "redis": "Redis"}
_RELATIONAL: tuple[Kind, ...] = ("postgresql", "mysql")

_MANIFESTS = re.compile(
    r"(?:^|/)(?:requirements[\w.-]*\.(?:txt|in)|pyproject\.toml|Pipfile|environment\.ya?ml|package\.json|Gemfile|go\.mod"
    r"|Cargo\.toml|composer\.json|mix\.exs|pom\.xml|build\.gradle(?:\.kts)?|deno\.jsonc?)$|^requirements/[\w.-]+\.txt$"
)
_MOST_MANIFESTS = 8
_MOST_TEXT = 60_000  # characters of one
_MOST_BLOCKS = 3  # of Django's settings, in one file
_REMARK = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
# Between what can't be part of a package's name; a slash may stand before it in go.mod.
_DRIVERS = {
    kind: re.compile(rf"(?<![\w.-])({names})(?=[\"'\s\[\]=<>~!;,@:/]|\Z)", re.IGNORECASE)
    for kind, names in {
        "postgresql": r"psycopg2?(?:-binary)?|asyncpg|pg8000|aiopg|pg|postgres|pg-promise|@vercel/postgres|slonik|pgx"
        r"|lib/pq|gorm\.io/driver/postgres|tokio-postgres|postgrex|postgresql|psqlpy",
        "mysql": r"mysqlclient|pymysql|aiomysql|asyncmy|mysql-connector-python|mysql2?|go-sql-driver/mysql|myxql"
        r"|gorm\.io/driver/mysql|mysql-connector-j|mariadb",
        "redis": r"redis|aioredis|hiredis|redis-om|celery\[redis\]|django-redis|ioredis|bullmq|bull|connect-redis"
        r"|go-redis|redix|predis|fakeredis|arq|rq|@upstash/ratelimit|jedis|lettuce",
        "mongodb": r"pymongo|motor|beanie|mongoengine|mongoose|mongodb|mongo-driver",
    }.items()
}
_ALCHEMY = re.compile(
    r"(?<![\w.-])(?:sqlalchemy|sqlmodel|flask-sqlalchemy|databases)(?=[\"'\s\[\]=<>~!;,]|\Z)", re.IGNORECASE
)
_SCHEME = re.compile(r"([a-z][a-z0-9+]*):")
_KIND_OF = re.compile(r"(?:(postgres(?:ql)?|postgis)|(mysql2?|mariadb)|(rediss?))(?:\+\w+)?\Z")
_LITE = re.compile(r"sqlite(?:\+\w+)?://|backends\.sqlite3|[\"']sqlite3?[\"']|[\"']better-sqlite3[\"']")

_ANY = r"(?:[A-Z0-9]+_)*?"
_URL = re.compile(
    rf"{_ANY}(?P<what>DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|REDIS|SQLALCHEMY_DATABASE|CELERY_BROKER|BROKER|CACHE)"
    r"_?(?:PRISMA_)?(?:TLS_)?(?:URL|URI|DSN|CONNECTION_STRING|CONNECTION_URL)(?:_NON_POOLING|_UNPOOLED|_ASYNC|_SYNC)?"
    r"|(?P<direct>DIRECT_URL|CELERY_RESULT_BACKEND|KV_URL)"
)
_PART = re.compile(
    r"(?P<what>DB|DATABASE|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|SQL|RDS|REDIS|TYPEORM|CACHE)"
    r"_?(?P<part>HOSTNAME|HOST|SERVER|PORT|USERNAME|USER|PASSWORD|PASSWD|PASS|NAME|DATABASE|DB|DBNAME)"
)
_PARTS = {
    **dict.fromkeys(("HOST", "HOSTNAME", "SERVER"), "{host}"),
    "PORT": "{port}",
    **dict.fromkeys(("USER", "USERNAME"), "{user}"),
    **dict.fromkeys(("PASSWORD", "PASSWD", "PASS"), "{password}"),
    **dict.fromkeys(("NAME", "DATABASE", "DB", "DBNAME"), "{database}"),
}
_HINTS: Mapping[str, Kind] = {
    **dict.fromkeys(("POSTGRES", "POSTGRESQL", "PG"), "postgresql"),
    **dict.fromkeys(("MYSQL", "MARIADB"), "mysql"),
    **dict.fromkeys(("REDIS", "CELERY_BROKER", "BROKER", "CACHE", "CELERY_RESULT_BACKEND", "KV_URL"), "redis"),
}
_LARAVEL: Mapping[str, Kind] = {"pgsql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_PRISMA = re.compile(r"datasource\s+\w+\s*\{([^}]{0,2000})\}")
_PROVIDER = re.compile(r"provider\s*=\s*\"(\w+)\"")
_ENV = re.compile(r"(?:url|directUrl)\s*=\s*env\(\s*\"([A-Z][A-Z0-9_]*)\"\s*\)")
_ADAPTER = re.compile(r"^[ \t]*adapter:[ \t]*[\"']?(\w+)", re.MULTILINE)
_DATABASES = re.compile(r"^DATABASES[ \t]*(?::[^=\n]*)?=[ \t]*(?=\{)", re.MULTILINE)
_LONGEST_BLOCK = 4000  # characters


@dataclasses.dataclass(slots=True)
class _Wish:
    """One database, as it comes together."""

    kind: Kind
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    fixed: dict[str, str] = dataclasses.field(default_factory=dict)  # host, user, ...: what the code has as a text
    why: str = ""

    def can_be_led(self) -> bool:
        """Something says where it is that we can fill in, or be."""
        named = any("{host}" in each or "{url}" in each for each in self.variables.values())
        return named or self.fixed.get("host", "localhost") not in ("localhost", "127.0.0.1", "::1")

    def backing(self) -> Backing:
        fixed = {name: text for name, text in self.fixed.items() if name in ("user", "password", "database")}
        return Backing(self.kind, self.fixed.get("host", self.kind), self.variables, **fixed)


def added(tree: Tree, plan: Plan, seen: Variables) -> Plan:
    """With the databases that a server wants, and the command line that makes their tables."""
    if plan.kind != "server":
        return plan
    if plan.backing:  # somebody has said so already
        return _prepared(tree, plan)
    known = _Evidence.of(tree, seen)
    wishes = _wishes(known, tree, plan)
    why, told = dict(plan.why), [f"{each.why}: {NAMES[each.kind]}, and previews on Docker get one" for each in wishes]
    if "mongodb" in known.drivers and any("MONGO" in each.name for each in seen.reads):
        told.append("it wants MongoDB, which previews are not given: set its address")
    if told:
        why["backing"] = "; ".join(told)
    found = tuple(each.backing() for each in wishes)
    return _prepared(tree, dataclasses.replace(plan, backing=found, why=why))


def _prepared(tree: Tree, plan: Plan) -> Plan:
    wanted = any(each.kind in _RELATIONAL for each in plan.backing)
    return migrate.prepared(tree, plan) if wanted else migrate.at_start(tree, plan)


@dataclasses.dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of a project, beside its tree."""

    seen: Variables
    drivers: Mapping[str, str]  # kind -> the package
    alchemy: bool

    @classmethod
    def of(cls, tree: Tree, seen: Variables) -> _Evidence:
        text = _manifests(tree)
        found = {kind: match.group(1) for kind, pattern in _DRIVERS.items() if (match := pattern.search(text))}
        return cls(seen, found, bool(_ALCHEMY.search(text)))

    def schemes(self, name: str) -> tuple[str, str]:
        """What the example file says of a variable, and what the code has in its place: `postgresql+asyncpg`."""
        texts = [each.default for each in self.seen.of(name) if each.default]
        return _scheme(self.seen.examples.get(name, "")), next(filter(None, map(_scheme, texts)), "")

    def falls_back(self, name: str) -> bool:
        """Without the variable the code takes SQLite."""
        if self.schemes(name)[1].startswith("sqlite"):
            return True
        return any(_LITE.search(self.seen.texts.get(each.path, "")) for each in self.seen.of(name))

    def relational(self) -> Kind | None:
        """The one kind of which a driver is asked for."""
        found = [kind for kind in _RELATIONAL if kind in self.drivers]
        return found[0] if len(found) == 1 else None


def _wishes(known: _Evidence, tree: Tree, plan: Plan) -> list[_Wish]:
    """What the plan sets itself stays as it is."""
    found: dict[Kind, _Wish] = {}
    for kind, name, template, why in (*_configured(known, tree), *_read(known)):
        if name in plan.env:
            continue
        wish = found.setdefault(kind, _Wish(kind, why=why))
        if name:
            wish.variables.setdefault(name, template)
        else:
            field, _, text = template.partition("=")
            wish.fixed.setdefault(field, text)
    return [found[kind] for kind in NAMES if kind in found and found[kind].can_be_led()]


_Found = tuple[Kind, str, str, str]  # kind, variable, template, evidence; without a variable: `host=db`


def _read(known: _Evidence) -> Iterator[_Found]:
    """Variables that the code reads."""
    for name in dict.fromkeys(each.name for each in known.seen.reads):
        role = _role(name)
        kind = _kind(known, name, role) if role else None
        if role is None or kind is None:
            continue
        template = role[1] or _template(known, kind, name)
        by = known.drivers.get(kind)
        said = f"{by} is asked for" if by else "its example names it"
        yield kind, name, template, f"{known.seen.of(name)[0].path} reads {name} and {said}"


def _role(name: str) -> tuple[Kind | None, str] | None:
    """Which kind its name hints at, and the template of a part ("" for a whole address); None: it is no address."""
    if name.startswith("TEST_") or name.endswith("_TEST"):
        return None
    whole = _URL.fullmatch(name)
    if whole:
        return _HINTS.get(whole["what"] or whole["direct"]), ""
    part = _PART.fullmatch(name)
    return (_HINTS.get(part["what"]), _PARTS[part["part"]]) if part else None


def _kind(known: _Evidence, name: str, role: tuple[Kind | None, str]) -> Kind | None:
    """The kind of database that answers at a variable; None: none that we offer, or SQLite does."""
    example, default = known.schemes(name)
    said = [each for each in (example, default) if each and not each.startswith(("sqlite", "file", "http"))]
    kind = _of_scheme(said[0]) if said else role[0] or known.relational()
    if kind is None or (not said and kind not in known.drivers):
        return None
    if kind != "redis" and known.falls_back(name) and not _is_preferred(known, kind, example):
        return None
    return kind


def _is_preferred(known: _Evidence, kind: Kind, example: str) -> bool:
    """Its driver is there, and the example file names it: the SQLite that the code falls back to is a makeshift."""
    connection = known.seen.examples.get("DB_CONNECTION", "") + known.seen.examples.get("DB_ENGINE", "")
    return kind in known.drivers and (_of_scheme(example) == kind or NAMES[kind][:5].lower() in connection)


def _of_scheme(scheme: str) -> Kind | None:
    found = _KIND_OF.match(scheme)
    if found is None or scheme.startswith("postgis"):  # whose image is another one
        return None
    return "postgresql" if found.group(1) else "mysql" if found.group(2) else "redis"


def _scheme(value: str) -> str:
    found = _SCHEME.match(value)
    return found.group(1) if found else ""


def _template(known: _Evidence, kind: Kind, name: str) -> str:
    """The address as the example or the code spells it; as the only driver needs it where nothing spells it."""
    example, default = known.schemes(name)
    scheme = next((each for each in (example, default) if _of_scheme(each) == kind), "") or _dialect(known, kind)
    if kind == "redis" or scheme in ("", "postgresql", "mysql"):
        return "{url}"
    return f"{scheme}://{{user}}:{{password}}@{{host}}:{{port}}/{{database}}"


def _dialect(known: _Evidence, kind: str) -> str:
    """SQLAlchemy takes a driver that may not be there, where nobody names one."""
    driver = known.drivers.get(kind, "").lower().removesuffix("-binary")
    if not known.alchemy or driver not in ("psycopg", "pymysql"):
        return ""
    if any(f"+{driver}" in text for text in known.seen.texts.values()):  # the code puts it there itself
        return ""
    return f"{kind}+{driver}"


def _configured(known: _Evidence, tree: Tree) -> Iterator[_Found]:
    """What frameworks read by themselves, or their configuration says outright."""
    yield from _prisma(tree)
    yield from _rails(known, tree)
    yield from _laravel(known, tree)
    for path, text in known.seen.texts.items():
        if "DATABASES" in text and path.endswith(".py"):
            yield from _django(known, path, text)


def _prisma(tree: Tree) -> Iterator[_Found]:
    name = next(tree.ending("schema.prisma", depth=3), None)
    block = _PRISMA.search(tree.text(name)[:_MOST_TEXT]) if name else None
    provider = _PROVIDER.search(block.group(1)) if block else None
    kind = _of_scheme(provider.group(1)) if provider else None
    if block and kind in _RELATIONAL:
        for variable in _ENV.findall(block.group(1)) or ["DATABASE_URL"]:
            yield kind, variable, "{url}", f"{name} says so"


def _rails(known: _Evidence, tree: Tree) -> Iterator[_Found]:
    """The adapter of production, or of all; DATABASE_URL is Rails' own."""
    text = tree.text("config/database.yml")
    adapters = _ADAPTER.findall(text.partition("\nproduction:")[2]) or _ADAPTER.findall(text)
    kind = _of_scheme(adapters[0]) if adapters else None
    if kind in _RELATIONAL:
        scheme = "mysql2://{user}:{password}@{host}:{port}/{database}" if kind == "mysql" else "{url}"
        yield kind, "DATABASE_URL", scheme, f"config/database.yml says {adapters[0]}"


def _laravel(known: _Evidence, tree: Tree) -> Iterator[_Found]:
    """Laravel's own variables; which database is only said by the example file."""
    said = known.seen.examples.get("DB_CONNECTION", "")
    kind = _LARAVEL.get(said)
    if kind is None or not tree.has("artisan"):
        return
    why = f"the example file says DB_CONNECTION={said}"
    yield kind, "DB_CONNECTION", said, why
    for part in ("HOST", "PORT", "DATABASE", "USERNAME", "PASSWORD"):
        yield kind, f"DB_{part}", _PARTS[part], why


def _django(known: _Evidence, path: str, text: str) -> Iterator[_Found]:
    """`DATABASES = {"default": {"ENGINE": ..., "HOST": os.environ["X"], ...}}`, one of them, read and not run."""
    for entry in _entries(text):
        engine = written(entry["ENGINE"]) if "ENGINE" in entry else ""
        variable, literal = named(engine), re.search(r"db\.backends\.(\w+)", engine)
        said = known.seen.examples.get(variable or "", "").rpartition(".")[2] or (literal.group(1) if literal else "")
        kind = _of_scheme(said)
        if kind not in _RELATIONAL or (said not in engine and kind not in known.drivers):
            continue
        why = f"{path} says {said}"
        if variable:
            yield kind, variable, f"django.db.backends.{said}", why
        for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME"):
            yield from _key(kind, key, entry.get(key), why)
        return


def _key(kind: Kind, key: str, node: ast.expr | None, why: str) -> Iterator[_Found]:
    variable = named(written(node)) if node else None
    field = "database" if key == "NAME" else key.lower()
    if variable:
        yield kind, variable, _PARTS[key], why
    elif key != "PORT" and isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield kind, "", f"{field}={node.value}", why


def _block(found: re.Match[str]) -> str:
    """From its first brace to the one that closes it, which stands alone or ends the first line."""
    text = found.string[found.end() : found.end() + _LONGEST_BLOCK]
    end = text.find("\n}")
    return text[: end + 2] if end >= 0 else text.partition("\n")[0]


def _entries(text: str) -> Iterator[dict[str, ast.expr]]:
    for block in itertools.islice(map(_block, _DATABASES.finditer(text)), _MOST_BLOCKS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = ast.parse(block)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(parsed):
            if isinstance(node, ast.Dict):
                keys = {
                    key.value: value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                if "ENGINE" in keys:
                    yield {str(key): value for key, value in keys.items()}


def _manifests(tree: Tree) -> str:
    names = [name for name in tree.files if name.count("/") <= 1 and _MANIFESTS.search(name)][:_MOST_MANIFESTS]
    return _REMARK.sub("", "\n".join(tree.text(name)[:_MOST_TEXT] for name in names))
