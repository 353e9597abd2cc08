"""Python projects as they come, installed, started and asked for real, in every framework and with every manifest.

Slow, and needs the package registry.  All tests share one home, so that what one downloads serves the next.
"""
# ruff: noqa: F811 - fixtures from elsewhere

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import uv

from tests.runners.test_real_apps import Slip, home, process  # noqa: F401 - the fixtures

pytestmark = pytest.mark.slow

FLASK = """from flask import Flask


def create_app():
    app = Flask(__name__)

    @app.get("/")
    def home():
        return "hello from flask"

    return app
"""
FASTAPI = """from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def home() -> str:
    return "hello from fastapi"
"""
STARLETTE = """# /// script
# requires-python = ">=3.11"
# dependencies = ["starlette"]
# ///
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def home(request):
    return PlainTextResponse("hello from starlette")


app = Starlette(routes=[Route("/", home)])
"""
DJANGO = """import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
application = ProtocolTypeRouter({"http": get_asgi_application()})
"""
DJANGO_SETTINGS = """SECRET_KEY = "a key for a test"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
"""
DJANGO_URLS = """from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("hello from django"))]
"""
QUART = """from quart import Quart

from .words import WORDS

app = Quart(__name__)


@app.get("/")
async def home():
    return WORDS


def run():
    app.run()
"""
SANIC = """from sanic import Sanic
from sanic.response import text

app = Sanic("hello")


@app.get("/")
async def home(request):
    return text("hello from sanic")
"""
LITESTAR = """from litestar import Litestar, get


@get("/")
async def home() -> str:
    return "hello from litestar"


app = Litestar([home])
"""
TORNADO = """import asyncio
import os

import tornado


class Home(tornado.web.RequestHandler):
    def get(self):
        self.write("hello from tornado")


async def main():
    tornado.web.Application([("/", Home)]).listen(8888, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
"""
AIOHTTP = """from aiohttp import web


async def home(request):
    return web.Response(text="hello from aiohttp")


app = web.Application()
app.add_routes([web.get("/", home)])

if __name__ == "__main__":
    web.run_app(app)
"""
FASTHTML = """from fasthtml.common import *

app, rt = fast_app()


@rt("/")
def get():
    return P("hello from fasthtml")


serve()
"""
DASH = """import dash

app = dash.Dash(__name__, title="hello from dash")
"""
DASH_INDEX = """from dash import html

from app import app

app.layout = html.Div("x")

if __name__ == "__main__":
    app.run(debug=True)
"""
BOTTLE = """import bottle

app = bottle.Bottle()


@app.get("/")
def home():
    return "hello from bottle"
"""
WSGI = """def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello from wsgi"]
"""
ASGI = """async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello from asgi"})
"""
HANDLER = """from http.server import BaseHTTPRequestHandler


class handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from a handler")
"""
RUNS_AT_ONCE = """from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello from itself"


app.run(port=5999)
"""
NAMED = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["{}"]\n'
LOCKED = '[[package]]\nname = "bottle"\nversion = "0.13.2"\n{}'

Files = Mapping[str, str | bytes]
PROJECTS: dict[str, Files] = {
    "flask": {"requirements.txt": "flask\r\n".encode("utf-16"), "shop/__init__.py": FLASK},
    "fastapi": {"pyproject.toml": NAMED.format("fastapi"), "uv.lock": "version = 1\n", "app/main.py": FASTAPI},
    "starlette": {"serve.py": STARLETTE},
    "django": {
        "requirements/base.txt": "\ufeffdjango\nchannels\n",
        "requirements/production.txt": "-r base.txt\n",
        "requirements/local.txt": "-r base.txt\nno-such-package-at-all-0\n",
        "manage.py": "import os\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings.local')\n",
        "config/settings/base.py": DJANGO_SETTINGS,
        "config/settings/local.py": "from .base import *\n",
        "config/urls.py": DJANGO_URLS,
        "config/asgi.py": DJANGO,
    },
    "quart": {
        "Pipfile": '[packages]\nquart = "*"\n',
        "src/shop/__init__.py": QUART,
        "src/shop/words.py": "WORDS = 'hello from quart'\n",
    },
    "sanic": {
        "pyproject.toml": NAMED.format("sanic (>=24)") + "[tool.poetry]\npackage-mode = false\n",
        "server.py": SANIC,
    },
    "litestar": {"requirements.in": "litestar\n", "main.py": LITESTAR},
    "tornado": {
        "setup.py": "import setuptools\n\nsetuptools.setup()\n",
        "setup.cfg": "[metadata]\nname = shop\n[options]\npy_modules =\ninstall_requires =\n    tornado\n",
        "helloworld.py": TORNADO,
    },
    "aiohttp": {
        "environment.yml": "dependencies:\n  - python=3.11\n  - aiohttp>=3.9\n  - libzip\n",
        "server.py": AIOHTTP,
    },
    "fasthtml": {"requirements.txt": "python-fasthtml\n", "main.py": FASTHTML},
    "dash": {"requirements.txt": "dash\n", "app.py": DASH, "index.py": DASH_INDEX},
    "bottle": {
        "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nbottle = "^0.13"\n',
        "poetry.lock": LOCKED.format('groups = ["main"]\n'),
        "app.py": BOTTLE,
    },
    "wsgi": {"wsgi.py": WSGI},
    "asgi": {"main.py": ASGI},
    "a handler": {"requirements.txt": "", "api/index.py": HANDLER},
    "itself": {"requirements.txt": "flask\n", "main.py": RUNS_AT_ONCE},
}


@pytest.mark.parametrize("name", PROJECTS)
async def test_a_python_project_answers(process: Slip, name: str) -> None:
    assert f"hello from {name}" in await process.front_page(PROJECTS[name])


async def test_a_streamlit_page_that_is_drawn_is_served_and_not_the_file_it_takes_parts_from(process: Slip) -> None:
    parts = "import streamlit as st\n\n\ndef heading(text):\n    st.title(text)\n"
    drawn = "import streamlit as st\n\nst.title('x')\n"

    page = await process.front_page({"requirements.txt": "streamlit\n", "charts.py": parts, "dashboard.py": drawn})

    assert "Streamlit" in page


def _uv_lock(folder: Path) -> str:
    (folder / "pyproject.toml").write_text(NAMED.format("bottle<0.13.3"))
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=folder, check=True)
    return (folder / "uv.lock").read_text()


PIPFILE_LOCK = '{"default": {"bottle": {"version": "==0.13.2"}}, "develop": {"no-such-package-at-all-0": {}}}'
LOCKS = {
    "pdm": {"pdm.lock": LOCKED.format('groups = ["default"]\n'), "pyproject.toml": NAMED.format("bottle")},
    "pipenv": {"Pipfile.lock": PIPFILE_LOCK, "Pipfile": '[packages]\nbottle = "*"\n'},
    "poetry": {"poetry.lock": LOCKED.format('groups = ["main"]\n'), "pyproject.toml": NAMED.format("bottle")},
}


@pytest.mark.parametrize("manager", [*LOCKS, "uv"])
async def test_what_a_lock_says_is_what_is_installed(process: Slip, tmp_path: Path, manager: str) -> None:
    (tmp_path / "lock").mkdir()
    lock = LOCKS.get(manager) or {
        "uv.lock": _uv_lock(tmp_path / "lock"),
        "pyproject.toml": NAMED.format("bottle<0.13.3"),
    }
    app = BOTTLE.replace('"hello from bottle"', "bottle.__version__")

    page = await process.front_page({**lock, "app.py": app})

    assert page == "0.13.2"


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"])
async def test_a_stale_lock_is_left_out_and_the_plan_says_so(process: Slip, lock: str) -> None:
    manifest = {"Pipfile": '[packages]\nbottle = "*"\n'} if lock == "Pipfile.lock" else {}
    manifest = manifest or {"pyproject.toml": NAMED.format("bottle")}
    other = {"uv.lock": "version = 1\n", "Pipfile.lock": '{"default": {}}'}.get(
        lock, LOCKED.replace("bottle", "six").format("")
    )

    artifact = await process.build({**manifest, lock: other, "app.py": BOTTLE})

    assert f"{lock} is stale" in artifact.the_plan().why["package_manager"]
