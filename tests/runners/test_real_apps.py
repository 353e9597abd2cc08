"""From a folder of files to an answer: detected, built and started for real, with nothing said about how.

Slow, and needs package registries.  All tests of this file share one home, so that what one downloads serves the next.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from runners.base import Artifact, Instance, Launch, Limits, Runner, StartFailed, Target
from runners.base.folders import Folders
from runners.docker import DockerRunner
from runners.frameworks import Tree, detect
from runners.process import ProcessRunner
from tests.conftest import IMAGES, base_images
from tests.runners.apps import Lines, a_source
from tests.runners.proxy.stage import HOST, Stage, staged

pytestmark = pytest.mark.slow

PYTHON_IMAGE = os.environ.get("SLIPWAY_IMAGE_PYTHON", IMAGES["SLIPWAY_IMAGE_PYTHON"])
FLASK = {
    "requirements.txt": "flask>=3,<4\n",
    "app.py": "from flask import Flask, render_template\n\napp = Flask(__name__)\n\n\n"
    "@app.get('/')\ndef index():\n    return render_template('index.html', name='flask')\n",
    "templates/index.html": "<h1>hello from {{ name }}</h1>\n",
}
FASTAPI = {
    "requirements.txt": "fastapi\n",
    "app/__init__.py": "",
    "app/main.py": "from fastapi import FastAPI\n\nfrom app.words import WORDS\n\napp = FastAPI()\n\n\n"
    "@app.get('/')\ndef index() -> str:\n    return WORDS\n",
    "app/words.py": "WORDS = 'hello from fastapi'\n",
}
DJANGO = {
    "requirements.txt": "django>=5,<6\n",
    "manage.py": "import os\nimport sys\n\nfrom django.core.management import execute_from_command_line\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nexecute_from_command_line(sys.argv)\n",
    "shop/__init__.py": "",
    "shop/settings.py": "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'shop.urls'\n"
    "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth']\n"
    "WSGI_APPLICATION = 'shop.wsgi.application'\nDEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n",
    "shop/urls.py": "from django.contrib.auth.models import User\nfrom django.http import HttpResponse\n"
    "from django.urls import path\n\n"
    "urlpatterns = [path('', lambda request: HttpResponse(f'hello from django, {User.objects.count()} users'))]\n",
    "shop/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = get_wsgi_application()\n",
}
PYTHON = {
    "server.py": "import os\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\n\n"
    "class Hello(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n"
    "        self.end_headers()\n        self.wfile.write(b'hello from python')\n\n\n"
    "HTTPServer(('0.0.0.0', int(os.environ.get('PORT', 8123))), Hello).serve_forever()\n",
}
EXPRESS = {
    "package.json": json.dumps({"scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.2"}}),
    "server.js": "require('express')().get('/', (_, answer) => answer.send('hello from express'))"
    ".listen(process.env.PORT || 3000)\n",
}
NODE = {
    "index.mjs": "import http from 'node:http'\n\nhttp.createServer((_, s) => s.end('hello from node')).listen(4871)\n"
}
VITE = {
    "package.json": json.dumps(
        {"type": "module", "scripts": {"dev": "vite", "build": "vite build"}, "devDependencies": {"vite": "^5.4.0"}}
    ),
    "index.html": '<!doctype html><div id="app">hello from vite</div><script type="module" src="/main.js"></script>\n',
    "main.js": "document.title = `made by ${import.meta.env.MODE}`\n",
}
HTML = {"pages/index.html": "<h1>hello from html</h1>\n"}
DOCKERFILE = {
    "Dockerfile": f"FROM {PYTHON_IMAGE}\nWORKDIR /srv\nCOPY server.py .\nCMD python server.py\n",
    "server.py": PYTHON["server.py"].replace("hello from python", "hello from a Dockerfile"),
}
ANYWHERE = {"flask": FLASK, "fastapi": FASTAPI, "express": EXPRESS}
PROCESS = {**ANYWHERE, "django": DJANGO, "python": PYTHON, "node": NODE, "vite": VITE, "html": HTML}
DOCKER = {**ANYWHERE, "a Dockerfile": DOCKERFILE}


@dataclasses.dataclass
class Slip:
    """A runner behind the router: the way of a preview."""

    runner: Runner
    folder: Path
    stage: Stage
    log: Lines = dataclasses.field(default_factory=Lines)
    made: list[Artifact] = dataclasses.field(default_factory=list)

    async def build(self, files: Mapping[str, str | bytes]) -> Artifact:
        source = a_source(self.folder, files)
        source = dataclasses.replace(source, plan=detect(Tree.read(source.path)))
        self.made.append(await self.runner.build(source, Limits(seconds=120, memory=2 * 1024**3), self.log))
        return self.made[-1]

    async def start(self, artifact: Artifact) -> Instance:
        return await self.runner.start(Launch("d1", artifact, limits=Limits(seconds=30)), self.log)

    async def front_page(self, files: Mapping[str, str | bytes]) -> str:
        """What a visitor sees, and no sooner than the preview is said to be live."""
        artifact = await self.build(files)
        plan = artifact.the_plan()
        if plan.kind == "static":
            target = Target("static", "d1", path=str(artifact.path), fallback=plan.fallback)
        else:
            instance = await self.start(artifact)
            target = Target("instance", "d1", host=instance.host, port=instance.port)
        await self.stage.proxy.point(HOST, target)
        status, text = await self.stage.get("/", headers={"Accept-Encoding": "identity"})
        assert status == 200
        return text


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("home")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def process(home: Path, tmp_path: Path) -> AsyncIterator[Slip]:
    own = f"real-{uuid.uuid4().hex[:8]}"  # what runs is found by it, and ended: other workers' has other ones
    async for slip in _slip(ProcessRunner(Folders(home), own, certificates=_certificates()), tmp_path):
        yield slip


@pytest.fixture
async def docker(home: Path, tmp_path: Path) -> AsyncIterator[Slip]:
    runner = DockerRunner(
        Folders(home),
        f"real-{uuid.uuid4().hex[:8]}",
        images=base_images(),
        certificates=_certificates(),
        spares=0,
    )
    async for slip in _slip(runner, tmp_path):
        yield slip


async def _slip(runner: Runner, folder: Path) -> AsyncIterator[Slip]:
    await runner.ready()
    async with staged() as stage:
        slip = Slip(runner, folder, stage)
        yield slip
    for instance in await runner.instances():
        await runner.stop(instance)
    for artifact in slip.made:
        if artifact.kind == "image":  # directories go with the home
            await runner.forget(artifact)
    await runner.close()


def _certificates() -> Path | None:
    told = os.environ.get("SSL_CERT_FILE")
    return Path(told) if told and Path(told).is_file() else None


@pytest.mark.parametrize("name", PROCESS)
async def test_a_project_answers_as_a_process(process: Slip, name: str) -> None:
    assert f"hello from {name}" in await process.front_page(PROCESS[name])


@pytest.mark.docker
@pytest.mark.parametrize("name", DOCKER)
async def test_a_project_answers_in_a_container(docker: Slip, name: str) -> None:
    assert f"hello from {name}" in await docker.front_page(DOCKER[name])


BROKEN = {
    "flask": ({**FLASK, "app.py": FLASK["app.py"].replace("index():", "index()")}, "app.py", 7),
    "fastapi": ({**FASTAPI, "app/main.py": "def broken(:\n"}, "app/main.py", 1),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_app_with_a_syntax_error_does_not_start_and_says_the_file_and_the_line(
    process: Slip, name: str
) -> None:
    files, path, line = BROKEN[name]
    artifact = await process.build(files)

    with pytest.raises(StartFailed, match="SyntaxError: ") as caught:
        await process.start(artifact)

    assert (caught.value.path, caught.value.line) == (path, line)
    assert await process.runner.instances() == []
