"""Node projects: what scripts, settings and code say, where a quick look would be wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from runners.base import Plan
from runners.frameworks import NotDetected, Tree, detect
from runners.frameworks.node import settings


def plan(folder: Path, files: dict[str, str], **package: Any) -> Plan:
    for name, text in {"package.json": json.dumps(package), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return detect(Tree.read(folder))


SITE = {"index.html": "<div id=app></div>", "main.js": ""}
VITE = {"devDependencies": {"vite": "^5"}, "scripts": {"build": "vite build"}}


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("export default { build: { outDir: 'site' } }", "site"),
        ("export default { build: { outDir: path.resolve(__dirname, '../out', 'web') } }", "out/web"),
        ("export default { build: { outDir: fileURLToPath(new URL('./www', import.meta.url)) } }", "www"),
        ("export default { outDir: 'nobody reads it here' }", "dist"),
        ("export default { build: {}, test: { root: 'spec', coverage: { outDir: 'cov' } } }", "dist"),
        ("export default { /* build: { outDir: 'old' } */ }", "dist"),
    ],
)
def test_only_the_output_folder_that_vite_reads_counts(tmp_path: Path, config: str, folder: str) -> None:
    assert plan(tmp_path, {**SITE, "vite.config.ts": config}, **VITE).static_dir == folder


@pytest.mark.parametrize("line", ["vite preview --port 4000", "vite", "serve -s dist", "npm run dev"])
def test_a_site_is_never_served_by_its_own_preview(tmp_path: Path, line: str) -> None:
    found = plan(tmp_path, SITE, devDependencies=VITE["devDependencies"], scripts={
        "build": "vite build", "dev": "vite", "start": line,
    })  # fmt: skip

    assert (found.kind, found.start, found.static_dir) == ("static", None, "dist")


@pytest.mark.parametrize(
    ("code", "port"),
    [
        ("const port = Number(process.env.PORT) || 4001\napp.listen(port)", 4001),
        ("app.listen(parseInt(process.env.PORT || '4002', 10))", 4002),
        ("const PORT = process.env['PORT'] ? +process.env['PORT'] : 4003\napp.listen(PORT)", 4003),
        ("app.listen({ port: 4004 })", 4004),
        ("const port = 4005\napp.listen(port)", 4005),
        ("// const port = 1111\napp.listen(process.env.PORT ?? 4006)", 4006),
        ("app.listen(process.env.PORT)", None),
    ],
)
def test_the_port_that_the_code_falls_back_to_is_the_hint(tmp_path: Path, code: str, port: int | None) -> None:
    assert plan(tmp_path, {"server.js": code}, scripts={"start": "node server.js"}).port == port


@pytest.mark.parametrize(
    ("files", "fields", "manager"),
    [
        ({"yarn.lock": "", "package-lock.json": "{}"}, {"packageManager": "pnpm@9.1.0"}, "pnpm"),
        ({"package-lock.json": "{}"}, {"devEngines": {"packageManager": {"name": "yarn"}}}, "yarn"),
        ({"bun.lock": "", "package-lock.json": "{}"}, {}, "bun"),
        ({"pnpm-lock.yaml": ""}, {"engines": {"yarn": ">=1"}}, "pnpm"),
        ({".yarnrc.yml": ""}, {}, "yarn"),
        ({}, {"engines": {"bun": "1"}}, "bun"),
        ({}, {}, "npm"),
    ],
)
def test_what_is_said_comes_before_the_lock_and_that_before_the_engines(
    tmp_path: Path, files: dict[str, str], fields: dict[str, Any], manager: str
) -> None:
    code = {"server.js": "app.listen(3000)"}

    assert plan(tmp_path, {**files, **code}, scripts={"start": "node server.js"}, **fields).package_manager == manager


def test_an_app_that_only_exports_itself_is_listened_for(tmp_path: Path) -> None:
    code = "import { Hono } from 'hono'\nconst app = new Hono()\nexport default app\n"

    found = plan(tmp_path, {"src/index.ts": code}, dependencies={"hono": "^4"})

    assert (found.kind, found.entry) == ("server", "src/index.ts")
    assert "srvx --prod" in (found.start or "")
    assert any("srvx" in line for line in found.install)


def test_a_library_is_no_server_because_its_build_leaves_a_file(tmp_path: Path) -> None:
    found = plan(tmp_path, {"src/index.ts": "export const a = 1\n"}, main="dist/index.js", scripts={"build": "tsc"})

    assert found.kind == "cli"


@pytest.mark.parametrize("adapter", ["vercel", "netlify", "cloudflare"])
def test_an_adapter_for_another_place_gives_way_to_the_node_server(tmp_path: Path, adapter: str) -> None:
    config = {"svelte.config.js": f"import adapter from '@sveltejs/adapter-{adapter}'\n"}

    found = plan(tmp_path, config, devDependencies={"@sveltejs/kit": "^2"}, scripts={"build": "vite build"})

    assert f"s#@sveltejs/adapter-{adapter}#@sveltejs/adapter-node#" in (found.build or "")
    assert (found.start, found.env["PROTOCOL_HEADER"]) == ("node build", "x-forwarded-proto")


def test_what_a_build_keeps_for_the_next_one_is_named(tmp_path: Path) -> None:
    found = plan(tmp_path, {}, dependencies={"next": "^15"}, scripts={"build": "next build"})

    assert found.caches == ("node_modules/.cache", ".next/cache")


def test_a_member_of_a_workspace_keeps_it_in_its_own_folder(tmp_path: Path) -> None:
    member = json.dumps({"name": "web", "scripts": {"build": "next build"}, "dependencies": {"next": "^15"}})

    found = plan(tmp_path, {"apps/web/package.json": member}, workspaces=["apps/*"])

    assert "apps/web/.next/cache" in found.caches


def test_settings_of_others_are_not_the_files_own() -> None:
    assert "root" not in settings.shallow("defineConfig({ test: { root: 'a', deps: [{}] }, server: {} })")
    assert settings.folder(settings.shallow("defineConfig({ server: {}, root: './b' })"), "root") == "b"


HOSTILE = ["build: {" * 90_000, "root: " * 100_000, "{[" * 300_000, "/*" * 300_000, "PORT" + " " * 900_000 + "|",
           "listen(" + " " * 900_000, "export {\n" * 90_000, '"' + '\\"' * 300_000, "'" + "\\'" * 300_000]  # fmt: skip


@pytest.mark.parametrize("code", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_are_read_in_time(tmp_path: Path, code: str) -> None:
    (tmp_path / "package.json5").write_text(code)
    files = {"vite.config.js": code, "index.html": "", "server.js": code, "index.js": code}

    assert plan(tmp_path, files, **VITE, dependencies={"express": "4"}).language == "node"
    (tmp_path / "package.json").unlink()
    with contextlib.suppress(NotDetected):
        detect(Tree.read(tmp_path))
