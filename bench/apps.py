"""The apps that are measured: each answers with its version, and each has the Dockerfile that people write for it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.commands import output

Files = Mapping[str, str | bytes]
NODE_CA = "/etc/ssl/certs/ca-certificates.crt"
# One small dependency that moves from version to version, as bots propose every day.
_IDNA = ("3.4", "3.6", "3.7", "3.8", "3.9", "3.10", "3.3", "3.2", "3.1", "3.0")
_MS = ("2.1.3", "2.1.2", "2.1.1", "2.1.0", "2.0.0", "1.0.0", "0.7.3", "0.7.2", "0.7.1", "0.7.0")
_LARGE = (5000, 8192)  # files, bytes each: 40 MB, a repository of some years
_PLACES = (
    ("assets", (".svg", ".css", ".js", ".png", ".woff")),
    ("lib", (".py", ".js", ".ts", ".html", ".py", ".py", ".yaml")),
    ("docs", (".md", ".md", ".rst", ".png")),
    ("tests", (".py", ".py", ".ts", ".json")),
)
_COMMENTS = {".py": "# ", ".js": "//", ".ts": "//", ".yaml": "# "}


@dataclasses.dataclass(frozen=True, slots=True)
class App:
    """One project.  `code` says a version, `deps` names the dependencies of a round, `rest` never changes."""

    name: str
    language: str  # python, node, static
    code: Callable[[str], Files]
    deps: Callable[[int], Files]
    command: str  # with $PORT; what the Dockerfile runs and what the bare process is
    rest: Callable[[], Files] = dict
    ignored: str = ".git\n"  # .dockerignore

    def whole(self, version: str, bump: int) -> Files:
        """The first commit."""
        return {**self.rest(), **self.deps(bump), **self.code(version)}

    def dockerfile(self, port: int) -> str:
        """Manifests first, then the install, then the source: what every guide says."""
        if self.language == "node":
            image, manifests, install = _image("NODE", "node:20"), "package.json package-lock.json", "npm ci"
            trust = f"ENV NODE_EXTRA_CA_CERTS={NODE_CA}\n" if os.environ.get("NODE_EXTRA_CA_CERTS") else ""
        else:
            image, trust = _image("PYTHON", "python:3.11"), ""
            manifests, install = "requirements.txt", "pip install --no-cache-dir -r requirements.txt"
        layer = f"COPY {manifests} ./\nRUN {install}\n" if self.language != "static" else ""
        start = f"ENV HOST=0.0.0.0 PORT={port}\nCMD exec {self.command}\n"
        return f"FROM {image}\n{trust}WORKDIR /app\n{layer}COPY . .\n{start}"


def _image(which: str, usual: str) -> str:
    return os.environ.get(f"SLIPWAY_IMAGE_{which}") or usual


def _flask(version: str) -> Files:
    lines = ("from flask import Flask", "", "app = Flask(__name__)", "", '@app.get("/")', "def index():")
    return {"app.py": "\n".join([*lines, f'    return "{version}"', ""])}


def _fastapi(version: str) -> Files:
    lines = ("from fastapi import FastAPI", "", "app = FastAPI()", "", '@app.get("/")', "def index():")
    return {"main.py": "\n".join([*lines, f'    return {{"version": "{version}"}}', ""])}


def _express(version: str) -> Files:
    lines = (
        'const app = require("express")();',
        f'app.get("/", (_request, response) => response.send("{version}"));',
        'app.listen(process.env.PORT || 3000, process.env.HOST || "0.0.0.0");',
    )
    return {"server.js": "\n".join([*lines, ""])}


def _static(version: str) -> Files:
    return {"index.html": f"<!doctype html><title>Shop</title><link rel=stylesheet href=style.css><h1>{version}</h1>\n"}


def _requirements(*wanted: str) -> Callable[[int], Files]:
    def made(bump: int) -> Files:
        lines = (*wanted, f"idna=={_IDNA[bump % len(_IDNA)]}", f"# bump {bump}", "")
        return {"requirements.txt": "\n".join(lines)}

    return made


def _packages(bump: int) -> Files:
    package = {
        "name": "shop",
        "version": f"1.0.{bump}",
        "private": True,
        "scripts": {"start": "node server.js"},
        "dependencies": {"express": "4.21.2", "ms": _MS[bump % len(_MS)]},
    }
    text = json.dumps(package, indent=2)
    return {"package.json": text, "package-lock.json": _lock(text)}


@functools.cache
def _lock(package: str) -> str:
    """npm's own lock file of a package.json."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-lock-") as folder:
        Path(folder, "package.json").write_text(package)
        output("npm", "install", "--package-lock-only", "--no-audit", "--no-fund", folder=Path(folder))
        return Path(folder, "package-lock.json").read_text()


@functools.cache
def _years() -> Files:
    """What else lies in a repository after some years, in lines of 80 characters: assets, source, documents, tests."""
    count, size = _LARGE
    chance = random.Random(2026)  # the same repository every time
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 12))) for _ in range(20_000)]
    made = {}
    for n in range(count):
        place, ends = _PLACES[n % len(_PLACES)]
        end = ends[n // len(_PLACES) % len(ends)]
        text = " ".join(chance.choices(words, k=size // 8))
        lines = (_COMMENTS.get(end, "") + text[at : at + 77] for at in range(0, len(text), 77))
        made[f"{place}/part{n % 97}/file{n}{end}"] = "\n".join(lines) + "\n"
    return made


_FLASK = ("flask==3.1.3", "gunicorn==23.0.0")
_GUNICORN = "gunicorn --bind $HOST:$PORT --workers 1 --threads 8 app:app"
_FASTAPI = ("fastapi==0.115.12", "uvicorn==0.34.0")

APPS: Mapping[str, App] = {
    app.name: app
    for app in (
        App("flask", "python", _flask, _requirements(*_FLASK), _GUNICORN),
        App("fastapi", "python", _fastapi, _requirements(*_FASTAPI), "uvicorn main:app --host $HOST --port $PORT"),
        App("express", "node", _express, _packages, "node server.js"),
        App(
            "static",
            "static",
            _static,
            lambda _bump: {},
            "python3 -m http.server --bind $HOST $PORT",
            rest=lambda: {"style.css": "h1 { color: teal }\n"},
        ),
        App("large", "python", _flask, _requirements(*_FLASK), _GUNICORN, _years, ".git\ndocs\ntests\n"),
    )
}
CASES = ("cold", "deps", "code", "same")


def cases(app: App) -> tuple[str, ...]:
    """Static files have no dependencies to change."""
    return tuple(case for case in CASES if case != "deps" or app.language != "static")


def missing(app: App) -> str | None:
    """What this machine lacks to measure it, in words."""
    return "there is no npm" if app.language == "node" and not shutil.which("npm") else None
