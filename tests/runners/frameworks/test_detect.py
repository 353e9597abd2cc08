"""What holds for every tree: an answer or NotDetected, words that help, no development server, ever."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners.base import Plan
from runners.frameworks import NotDetected, Tree, detect
from runners.frameworks.node.commands import commands, is_dev, is_files

DEV = [
    *("vite", "vite --host", "npx vite dev", "next", "next dev -p 3000", "nuxt dev", "nuxi dev", "astro dev", "astro"),
    *("react-scripts start", "craco start", "ng serve", "ng s --open", "vue-cli-service serve", "gatsby develop"),
    *("docusaurus start", "vitepress dev docs", "npx @11ty/eleventy --serve", "brunch watch --server", "ember serve"),
    *("parcel index.html", "polymer serve", "sapper dev", "sanity start", "stencil build --dev --watch --serve"),
    *("umi dev", "nx serve shop", "turbo dev", "turbo run dev", "webpack serve", "webpack-dev-server --hot"),
    *("webpack --mode development --watch", "rsbuild dev", "remix dev", "react-router dev", "remix vite:dev"),
    *(
        "vinxi dev",
        "storybook dev -p 6006",
        "start-storybook",
        "nodemon app.js",
        "ts-node-dev src/a.ts",
        "tsx watch a.ts",
    ),
    *("node --watch server.js", "bun --hot index.ts", "bun run --watch index.ts", "nest start", "nest start --watch"),
    *("netlify dev", "vercel dev", "wrangler dev", "gulp", "concurrently 'a' 'b'", "expo start", "snowpack dev"),
    *(
        "NODE_ENV=development vite",
        "cross-env NODE_ENV=x webpack serve",
        "tsc && vite",
        "node ./node_modules/.bin/vite",
    ),
    *(
        "node node_modules/vite/bin/vite.js",
        "dotenv -e .env -- next dev",
        "tsc -w",
        "run-p dev:*",
        "hexo server",
        "yarn dev",
    ),
]
FINE = [
    *(
        "vite build",
        "next build",
        "next start",
        "node server.js",
        "astro build",
        "ng build",
        "webpack --mode production",
    ),
    *(
        "node dist/main",
        "node ./dist/server/entry.mjs",
        "tsx src/index.ts",
        "bun src/index.ts",
        "gatsby build",
        "nest build",
    ),
    *(
        "NODE_ENV=production node vite-server.js",
        "react-router-serve build/server/index.js",
        "node next.js",
        "tsc -p .",
    ),
    *("node --max-old-space-size=512 server", "turbo build", "nx build shop", "pm2-runtime app.js", "rollup -c"),
]


def project(folder: Path, **package: Any) -> Tree:
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "server.js").write_text("require('http').createServer().listen(1)\n")
    return Tree.read(folder)


@pytest.mark.parametrize("line", DEV)
def test_a_development_server_is_never_how_a_project_starts(tmp_path: Path, line: str) -> None:
    scripts = {"start": line, "dev": "vite"}

    plan = detect(project(tmp_path, scripts=scripts, dependencies={"express": "4"}))

    assert plan.start == "node server.js"


@pytest.mark.parametrize("line", FINE)
def test_what_only_looks_like_a_development_server_may_start(line: str) -> None:
    assert not is_dev(line)


@pytest.mark.parametrize("line", ["serve -s build", "npx http-server .", "vite preview --port 1", "astro preview"])
def test_a_build_is_served_as_files_though_a_script_would_serve_it_too(tmp_path: Path, line: str) -> None:
    scripts = {"start": line, "build": "vite build"}

    plan = detect(project(tmp_path, scripts=scripts, devDependencies={"vite": "5"}))

    assert is_files(line)
    assert (plan.kind, plan.static_dir, plan.start) == ("static", "dist", None)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("node app.js", "app.js"),
        ("NODE_ENV=production node -r dotenv/config src/app.js --port 1", "src/app.js"),
        ("npm run build && node dist/x", "dist/x"),
        ("bun run index.ts", "index.ts"),
        ("nodemon --exec ts-node src/a.ts", "src/a.ts"),
        ("node .", "."),
        ("jest", None),
    ],
)
def test_a_command_line_says_which_file_runs(line: str, file: str | None) -> None:
    assert next((one.file for one in commands(line) if one.file), None) == file


def test_nothing_known_says_what_was_looked_for_and_the_line_that_helps(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(NotDetected, match=r"Dockerfile.*package\.json.*Procfile.*web: python app\.py"):
        detect(Tree.read(tmp_path))


def test_a_dockerfile_wins_at_the_root_and_yields_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    for folder in (tmp_path, tmp_path / "api"):
        (folder / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
        (folder / "requirements.txt").write_text("flask\n")
        (folder / "Dockerfile").write_text("FROM x\n")

    assert detect(Tree.read(tmp_path)).language == "docker"
    for name in ("app.py", "requirements.txt", "Dockerfile"):
        (tmp_path / name).unlink()
    assert detect(Tree.read(tmp_path)).framework == "flask"


def test_a_folder_with_an_odd_name_stays_one_word_of_the_command_line(tmp_path: Path) -> None:
    odd = tmp_path / "my app; echo"
    odd.mkdir()
    (odd / "manage.py").write_text("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'core.settings')\n")
    (odd / "settings.py").write_text("WSGI_APPLICATION = 'core.wsgi.application'\n")
    (tmp_path / "requirements.txt").write_text("django\ngunicorn\n")

    plan = detect(Tree.read(tmp_path))

    assert "--chdir 'my app; echo' core.wsgi:application" in str(plan.start)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = (
    *("scripts", "dependencies", "devDependencies", "workspaces", "packages", "engines", "packageManager", "main"),
    *("module", "bin", "project", "projects", "start", "build", "dev", "node", "next", "vite", "astro", "express"),
    *("default", "version", "hashes", "markers", "extras"),
)
PYPROJECT = (
    *("[project]", "dependencies = 1", 'dependencies = ["flask", 3]', "dynamic = ['dependencies']", "name = []"),
    *("[tool.poetry.dependencies]", "flask = {git = 1}", "flask = {version = 3, extras = 'x'}", "flask = []"),
    *("[tool.uv.sources]", "[tool.uv]", "workspace = 3", "requires-python = 3", "[tool]", "poetry = 3"),
)
LOCK = (
    *("[[package]]", 'name = "x"', "version = 3", "files = 3", "files = [1]", "groups = 3", "source = 1", "[metadata]"),
    *("markers = {main = 2}", "[package.source]", 'type = "git"', "optional = 1", "name = 1"),
)
PIPFILE = ("[packages]\nflask = 3\n", "packages = 1", "[packages]\nflask = {git = 2}", "[requires]\npython_version = 3")
package_like = st.dictionaries(st.sampled_from(KEYS), json_like | st.dictionaries(st.sampled_from(KEYS), json_like))
projects = st.fixed_dictionaries({"projects": st.dictionaries(st.text(max_size=3), package_like)})
SHAPES = {
    "package.json": package_like.map(json.dumps),
    "angular.json": projects.map(json.dumps),
    "nest-cli.json": package_like.map(json.dumps),
    "Pipfile.lock": package_like.map(json.dumps),
    "pyproject.toml": st.lists(st.sampled_from(PYPROJECT), unique=True).map("\n".join),
    "poetry.lock": st.lists(st.sampled_from(LOCK)).map("\n".join),
    "uv.lock": st.text(max_size=40),
    "Pipfile": st.sampled_from(PIPFILE),
    "requirements.txt": st.text(max_size=60),
    "pnpm-workspace.yaml": st.text("packages: -*/!\n'#", max_size=60),
    "Procfile": st.text("web: $PORT\n'\"", max_size=40),
    "Dockerfile": st.text("EXPOSE AG=${}:-/38\n", max_size=60),
    "main.py": st.text(max_size=60).map(lambda text: f"import flask\n{text}"),
    "manage.py": st.sampled_from(["DJANGO_SETTINGS_MODULE", "'DJANGO_SETTINGS_MODULE', 'a.b'"]),
    "app/__init__.py": st.sampled_from(
        ["from flask import Flask\napp: Flask = Flask()", "from .. import x", "app, = f()"]
    ),
    "web/package.json": package_like.map(json.dumps),
    "vite.config.js": st.text("build: {outDir'/./}base", max_size=60),
    "go.mod": st.text("go 1.2\n", max_size=20),
    "Cargo.toml": st.sampled_from(["[package]\nname = 3", "package = 3", "[package]\nname = 'x'"]),
    "index.html": st.just("x"),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=SHAPES))
def test_any_manifest_gets_a_plan_or_not_detected(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for path, text in files.items():
            (Path(name) / path).parent.mkdir(exist_ok=True)
            (Path(name) / path).write_text(text, errors="replace")
        tree = Tree.read(Path(name))

        try:
            plan = detect(tree)
        except NotDetected:
            return

    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))).digest == plan.digest
