"""Which databases a project is found to want, by what, under which variables, and how their tables are made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from runners.base import Backing, Plan
from runners.frameworks import Tree, detect

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
URL = {"DATABASE_URL": "{url}"}
ALEMBIC = "import os\nfrom alembic import context\nurl = os.environ['DATABASE_URL']\n"


def plan(folder: Path, files: Mapping[str, str]) -> Plan:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return detect(Tree.read(folder))


def flask(reads: str, needs: str = "flask\n", **more: str) -> dict[str, str]:
    return {"app.py": f"import os\n{FLASK}{reads}\n", "requirements.txt": needs, **more}


def wanted(found: Plan) -> dict[str, Mapping[str, str]]:
    return {each.kind: each.variables for each in found.backing}


def test_a_driver_and_a_variable_together_want_a_database(tmp_path: Path) -> None:
    found = plan(tmp_path, flask('url = os.environ["DATABASE_URL"]', "flask\npsycopg2-binary==2.9\n"))

    assert found.backing == (Backing("postgresql", "postgresql", URL),)
    assert "DATABASE_URL" in found.why["backing"]
    assert "PostgreSQL" in found.why["backing"]


@pytest.mark.parametrize(
    ("reads", "needs"),
    [
        ("", "flask\npsycopg2\n"),
        ('url = os.environ["DATABASE_URL"]', "flask\n# psycopg2\n"),
        ('# url = os.environ["DATABASE_URL"]', "flask\npsycopg2\n"),
        ('url = os.environ["TEST_DATABASE_URL"]', "flask\npsycopg2\n"),
        ('url = os.environ["HOMEPAGE_URL"]', "flask\npsycopg2\n"),
    ],
    ids=["driver only", "variable only", "remark", "tests only", "another address"],
)
def test_one_alone_wants_none(tmp_path: Path, reads: str, needs: str) -> None:
    assert plan(tmp_path, flask(reads, needs)).backing == ()


@pytest.mark.parametrize(
    "reads",
    [
        'url = os.environ.get("DATABASE_URL", "sqlite:///shop.db")',
        'url = os.getenv("DATABASE_URL") or "sqlite:///shop.db"',
        'url = os.getenv("DATABASE_URL")\nif not url:\n    url = "sqlite:///shop.db"',
    ],
)
def test_sqlite_in_its_place_is_taken_unless_driver_and_example_agree_on_another(tmp_path: Path, reads: str) -> None:
    example = {".env.example": "DATABASE_URL=postgresql://me:word@localhost/shop\n"}
    both = flask(reads, "flask\npsycopg2\n") | example

    assert wanted(plan(tmp_path / "driver", flask(reads, "flask\npsycopg2\n"))) == {}
    assert wanted(plan(tmp_path / "example", flask(reads) | example)) == {}
    assert wanted(plan(tmp_path / "both", both)) == {"postgresql": URL}


@pytest.mark.parametrize(
    ("example", "template"),
    [
        ("postgres://a:b@localhost/x", "postgres://{user}:{password}@{host}:{port}/{database}"),
        ("postgresql://a:b@localhost/x", "{url}"),
        ('"postgresql+asyncpg://a:b@localhost/x"', "postgresql+asyncpg://{user}:{password}@{host}:{port}/{database}"),
    ],
)
def test_the_scheme_is_the_one_of_the_example(tmp_path: Path, example: str, template: str) -> None:
    files = flask('url = os.environ["DATABASE_URL"]') | {".env.example": f"DATABASE_URL={example}\n"}

    assert wanted(plan(tmp_path, files)) == {"postgresql": {"DATABASE_URL": template}}


def test_sqlalchemy_is_told_the_only_driver_there_is(tmp_path: Path) -> None:
    files = flask('url = os.environ["DATABASE_URL"]', "flask-sqlalchemy\npymysql\n")

    template = "mysql+pymysql://{user}:{password}@{host}:{port}/{database}"
    assert wanted(plan(tmp_path, files)) == {"mysql": {"DATABASE_URL": template}}


def test_parts_of_an_address_are_filled_one_by_one(tmp_path: Path) -> None:
    names = ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    reads = "\n".join(f'{name.lower()} = os.environ["DB_{name}"]' for name in names)

    assert wanted(plan(tmp_path, flask(reads, "flask\nPyMySQL\n"))) == {
        "mysql": {
            "DB_HOST": "{host}",
            "DB_PORT": "{port}",
            "DB_USER": "{user}",
            "DB_PASSWORD": "{password}",
            "DB_NAME": "{database}",
        }
    }


def test_redis_is_wanted_beside_another(tmp_path: Path) -> None:
    reads = 'a = os.environ["DATABASE_URL"]\nb = os.getenv("CELERY_BROKER_URL", "redis://localhost:6379/0")'

    found = plan(tmp_path, flask(reads, "flask\npsycopg2\ncelery[redis]\n"))

    assert wanted(found) == {"postgresql": URL, "redis": {"CELERY_BROKER_URL": "{url}"}}


def test_mongodb_is_not_given_and_that_is_said(tmp_path: Path) -> None:
    found = plan(tmp_path, flask('url = os.environ["MONGODB_URI"]', "flask\npymongo\n"))

    assert found.backing == ()
    assert "MongoDB" in found.why["backing"]
    assert found.wants == ("MONGODB_URI",)


MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"


def django(databases: str, **more: str) -> dict[str, str]:
    settings = f"import os\nWSGI_APPLICATION = 'shop.wsgi.application'\n{databases}\n"
    needs = "django\npsycopg[binary]\n"
    return {"manage.py": MANAGE, "shop/settings.py": settings, "requirements.txt": needs, **more}


def test_djangos_settings_say_which_variables_they_read(tmp_path: Path) -> None:
    databases = """DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("SHOP_DB", "shop"),
        "USER": os.getenv("SHOP_WHO"),
        "PASSWORD": os.environ["SHOP_WORD"],
        "HOST": "db",
        "PORT": "5432",
    }
}"""

    found = plan(tmp_path, django(databases))

    variables = {"SHOP_WHO": "{user}", "SHOP_WORD": "{password}", "SHOP_DB": "{database}"}
    assert found.backing == (Backing("postgresql", "db", variables),)
    assert found.prepare == "python manage.py migrate --noinput"
    assert found.start == "gunicorn --bind $HOST:$PORT --workers 1 --threads 8 shop.wsgi:application"
    assert found.wants == ()


@pytest.mark.parametrize("host", ["", '"HOST": "localhost",', '"HOST": "127.0.0.1",'])
def test_a_place_that_nobody_can_lead_elsewhere_wants_none(tmp_path: Path, host: str) -> None:
    engine = '"ENGINE": "django.db.backends.postgresql", "PASSWORD": os.environ["WORD"],'

    found = plan(tmp_path, django(f'DATABASES = {{"default": {{{engine} {host}}}}}'))

    assert (found.backing, found.wants) == ((), ("WORD",))


def test_djangos_engine_may_be_a_variable_itself(tmp_path: Path) -> None:
    databases = """DATABASES = {
    "default": {
        "ENGINE": os.environ.get("SQL_ENGINE", "django.db.backends.sqlite3"),
        "NAME": os.environ.get("SQL_DATABASE", "db.sqlite3"),
        "HOST": os.environ.get("SQL_HOST", "localhost"),
    }
}"""
    example = {".env.example": "SQL_ENGINE=django.db.backends.postgresql\nSQL_HOST=db\n"}

    variables = {"SQL_ENGINE": "django.db.backends.postgresql", "SQL_HOST": "{host}", "SQL_DATABASE": "{database}"}
    assert wanted(plan(tmp_path / "a", django(databases))) == {}
    assert wanted(plan(tmp_path / "b", django(databases) | example)) == {"postgresql": variables}


def test_dj_database_url_reads_its_own_variable(tmp_path: Path) -> None:
    without = "import dj_database_url\nDATABASES = {'default': dj_database_url.config(conn_max_age=600)}"
    lite = "import dj_database_url\nDATABASES = {'default': dj_database_url.config(default='sqlite:///db.sqlite3')}"

    assert wanted(plan(tmp_path / "a", django(without))) == {"postgresql": URL}
    found = plan(tmp_path / "b", django(lite))
    assert (found.backing, found.prepare) == ((), None)
    assert (found.start or "").startswith("python manage.py migrate --noinput && gunicorn")


def test_prismas_schema_says_both(tmp_path: Path) -> None:
    package = '{"scripts": {"start": "node index.js"}, "dependencies": {"@prisma/client": "5", "express": "4"}}'
    schema = 'datasource db {\n  provider = "postgresql"\n  url = env("SHOP_URL")\n}\n'
    files = {"package.json": package, "index.js": "require('express')().listen(process.env.PORT)\n"}
    files["prisma/schema.prisma"] = schema

    pushed = plan(tmp_path / "a", files)
    deployed = plan(tmp_path / "b", files | {"prisma/migrations/1_a/migration.sql": "CREATE TABLE a (b int);\n"})
    lite = plan(tmp_path / "c", files | {"prisma/schema.prisma": schema.replace("postgresql", "sqlite")})

    assert wanted(pushed) == {"postgresql": {"SHOP_URL": "{url}"}}
    assert (pushed.prepare, deployed.prepare) == ("npx prisma db push", "npx prisma migrate deploy")
    assert lite.backing == ()


@pytest.mark.parametrize(
    ("files", "prepare"),
    [
        ({"alembic.ini": "[alembic]\n", "alembic/env.py": ALEMBIC}, "alembic upgrade head"),
        ({"alembic.ini": "[alembic]\n", "alembic/env.py": "from alembic import context\n"}, None),
        ({"migrations/env.py": "from flask import current_app\n"}, "flask --app app:app db upgrade"),
        ({}, None),
    ],
    ids=["alembic", "alembic elsewhere", "flask-migrate", "nothing"],
)
def test_tables_are_made_by_the_tool_that_is_there(tmp_path: Path, files: dict[str, str], prepare: str | None) -> None:
    found = plan(tmp_path, flask('url = os.environ["DATABASE_URL"]', "flask\npsycopg2\nalembic\n") | files)

    assert found.prepare == prepare
    assert wanted(found) == {"postgresql": URL}


def test_a_start_that_makes_its_tables_is_left_alone(tmp_path: Path) -> None:
    databases = "DATABASES = {'default': dj_database_url.config()}"
    files = django(databases) | {"Procfile": "web: python manage.py migrate && gunicorn shop.wsgi\n"}

    found = plan(tmp_path, files)

    assert wanted(found) == {"postgresql": URL}
    assert (found.prepare, found.start) == (None, "python manage.py migrate && gunicorn shop.wsgi")


def test_rails_and_laravel_read_theirs_by_themselves(tmp_path: Path) -> None:
    rails = {
        "Gemfile": "gem 'rails'\ngem 'pg'\n",
        "config/database.yml": "default: &default\n  adapter: postgresql\nproduction:\n  <<: *default\n",
        "config.ru": "run Rails.application\n",
        "config/application.rb": "",
        "bin/rails": "",
    }
    laravel = {
        "composer.json": '{"require": {"laravel/framework": "11"}}',
        "artisan": "",
        "database/migrations/0001_shop.php": "<?php\n",
        "public/index.php": "<?php\n",
        ".env.example": "DB_CONNECTION=mysql\nDB_HOST=127.0.0.1\n",
    }

    one, two = plan(tmp_path / "rails", rails), plan(tmp_path / "laravel", laravel)

    assert wanted(one) == {"postgresql": URL}
    assert (one.prepare or "").endswith("rails db:prepare")
    assert two.backing[0].variables["DB_CONNECTION"] == "mysql"
    assert two.backing[0].variables["DB_HOST"] == "{host}"
    assert two.prepare == "php artisan migrate --force"


def test_tables_in_a_file_are_made_where_the_program_runs(tmp_path: Path) -> None:
    files = {
        "composer.json": '{"require": {"laravel/framework": "11"}}',
        "artisan": "",
        "database/migrations/0001_shop.php": "<?php\n",
        "public/index.php": "<?php\n",
        ".env.example": "DB_CONNECTION=sqlite\n",
    }

    found = plan(tmp_path, files)

    assert (found.backing, found.prepare) == ((), None)
    assert (found.start or "").startswith("php artisan migrate --force && ")


def test_parts_of_several_services_have_their_own(tmp_path: Path) -> None:
    back = {
        f"backend/{name}": text for name, text in flask('u = os.environ["DATABASE_URL"]', "flask\npsycopg2\n").items()
    }
    front = {
        "frontend/package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}',
        "frontend/index.html": "<script type=module src=/main.js></script>",
        "frontend/main.js": "fetch(import.meta.env.VITE_TITLE)\n",
    }

    found = plan(tmp_path, back | front)

    assert {part.root: wanted(part) for part in found.parts} == {"frontend": {}, "backend": {"postgresql": URL}}
    assert {part.root: part.wants for part in found.parts} == {"frontend": ("VITE_TITLE",), "backend": ()}


@pytest.mark.parametrize(
    "files",
    [
        {"shop/settings.py": "DATABASES = {\n" * 14_000 + "#" * 900},
        {"requirements.txt": "flask\n" + "\n" * 900_000},
        {".env.example": "A=" + " " * 190_000 + "x\n"},
        {"prisma/schema.prisma": "datasource a {" * 70_000},
        {"config/database.yml": "\n" * 900_000 + "adapter: pg"},
        {"config.py": 'os.environ["A"];' * 12_000},
        {"config.py": "from x import BaseSettings\n" + "class A(BaseSettings):\n    a: str\n" * 5000},
    ],
    ids=["django", "requirements", "example", "prisma", "rails", "reads", "pydantic"],
)
def test_hostile_files_cost_little(tmp_path: Path, files: dict[str, str]) -> None:
    began = time.process_time()

    plan(tmp_path, {"app.py": FLASK, **files})

    assert time.process_time() - began < 5
