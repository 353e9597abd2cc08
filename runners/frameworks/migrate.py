"""How the tables of a fresh database are made, by the tool that the project has for that."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from shlex import quote

from runners.base import Plan
from runners.frameworks.tree import Tree, folder_of

_BEFORE = re.compile(r"^python \S+ migrate --noinput && ")
# A start that does it is left alone.
_DOES = re.compile(
    r"manage\.py migrate|alembic upgrade|flask db|db upgrade|prisma (?:migrate|db push)|db:(?:migrate|prepare|push)"
    r"|knex migrate|drizzle-kit|artisan migrate|migration:run"
)
_OWN_ADDRESS = re.compile(r"set_main_option|environ|getenv|create_engine|url\s*=\s*\w|settings|config\[")
_FILE = re.compile(r"^[^#\n]*(?:[\"':]sqlite3?\b|ecto_sqlite3|DB_CONNECTION=sqlite)", re.MULTILINE)
_Way = tuple[str, str]


def prepared(tree: Tree, plan: Plan) -> Plan:
    """With the migrations as a step of their own.  An image of the project's own does them by itself, or can't."""
    if plan.prepare:  # its language's room knows better
        return plan
    way = next((found for find in _WAYS if (found := find(tree, plan))), None)
    if plan.language == "docker" or way is None:
        return plan
    start = plan.start or ""
    if plan.framework == "django":
        start = _BEFORE.sub("", start)
    if _DOES.search(start):
        return plan
    return dataclasses.replace(plan, start=start, prepare=way[0], why={**plan.why, "prepare": way[1]})


def at_start(tree: Tree, plan: Plan) -> Plan:
    """Tables in a file lie where the program runs, so they are made there, each time it starts."""
    files = any(_FILE.search(tree.text(name)) for name in ("Gemfile", "mix.exs", ".env.example"))
    if not plan.prepare or not plan.start or not files:
        return plan
    why = {**plan.why, "start": "its SQLite database is migrated first"}
    return dataclasses.replace(plan, start=f"{plan.prepare} && {plan.start}", prepare=None, why=why)


def _django(tree: Tree, plan: Plan) -> _Way | None:
    manage = next(tree.ending("manage.py", depth=2), None) if plan.framework == "django" else None
    return (f"python {quote(manage)} migrate --noinput", "Django's migrations make its tables") if manage else None


def _flask(tree: Tree, plan: Plan) -> _Way | None:
    env = tree.text("migrations/env.py")
    if plan.framework != "flask" or not plan.entry or ("current_app" not in env and "flask" not in env):
        return None
    return f"flask --app {quote(plan.entry)} db upgrade", "migrations/env.py is Flask-Migrate's"


def _alembic(tree: Tree, plan: Plan) -> _Way | None:
    """Where its environment says by itself which database it is for."""
    name = next(tree.ending("alembic.ini", depth=1), None)
    if name is None or plan.language != "python":
        return None
    folder = folder_of(name)
    inside = [each for each in tree.ending("env.py", depth=4) if each.startswith(f"{folder}/" if folder else "")]
    if not any("alembic" in (text := tree.text(each)) and _OWN_ADDRESS.search(text) for each in inside[:4]):
        return None
    into = f"cd {quote(folder)} && " if folder else ""
    return f"{into}alembic upgrade head", f"{name} is there"


def _prisma(tree: Tree, plan: Plan) -> _Way | None:
    schema = next(tree.ending("schema.prisma", depth=3), None)
    if schema is None or plan.language != "node":
        return None
    where = "" if schema in ("prisma/schema.prisma", "schema.prisma") else f" --schema {quote(schema)}"
    beside = f"{folder_of(schema)}/migrations/"
    if any(each.startswith(beside) for each in tree.ending("migration.sql")):
        return f"npx prisma migrate deploy{where}", f"{beside} has Prisma's migrations"
    return f"npx prisma db push{where}", f"{schema} has no migrations beside it"


def _drizzle(tree: Tree, plan: Plan) -> _Way | None:
    name = tree.first(*(f"drizzle.config.{end}" for end in ("ts", "js", "mjs", "json")))
    if name is None or '"drizzle-kit"' not in tree.text("package.json"):
        return None
    if any("_journal.json" in each for each in tree.ending("_journal.json")):
        return "npx drizzle-kit migrate", f"{name} is there, with migrations"
    return "npx drizzle-kit push --force", f"{name} is there, without migrations"


def _knex(tree: Tree, _plan: Plan) -> _Way | None:
    name = tree.first(*(f"knexfile.{end}" for end in ("js", "cjs", "mjs", "ts")))
    return ("npx knex migrate:latest", f"{name} is there") if name else None


def _sequelize(tree: Tree, _plan: Plan) -> _Way | None:
    if '"sequelize-cli"' not in tree.text("package.json") or "migrations" not in tree.folders:
        return None
    return "npx sequelize-cli db:migrate", "sequelize-cli is asked for, and migrations/ is there"


_WAYS: tuple[Callable[[Tree, Plan], _Way | None], ...] = (
    _django,
    _flask,
    _alembic,
    _prisma,
    _drizzle,
    _knex,
    _sequelize,
)
