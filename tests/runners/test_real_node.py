"""Node projects as agents push them: detected, installed, built and asked for real, with nothing said about how.

Slow, and needs package registries.  All tests of this file share one home, so that what one downloads serves the next.
"""
# ruff: noqa: F811 - fixtures from elsewhere

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runners.proxy.stage import HOST
from tests.runners.test_real_apps import Slip, docker, home, process  # noqa: F401 - the fixtures
from tests.sizes import soaking

pytestmark = pytest.mark.slow


def package(**fields: Any) -> str:
    return json.dumps({"private": True, **fields})


FASTIFY = {  # it listens on localhost only, as it does when nobody says otherwise
    "package.json": package(main="index.js", dependencies={"fastify": "^5"}),
    "server.js": "const app = require('fastify')()\napp.get('/', async () => 'hello from fastify')\n"
    "app.listen({ port: Number(process.env.PORT) || 3000 })\n",
}
KOA = {
    "package.json": package(type="module", dependencies={"koa": "^2"}),
    "src/index.ts": "import Koa from 'koa'\n\nconst app = new Koa()\n"
    "app.use((seen: { body: string }) => { seen.body = 'hello from koa' })\nexport default app\n",
}
HONO = {
    "package.json": package(type="module", dependencies={"hono": "^4"}, scripts={"dev": "tsx watch src/index.ts"}),
    "src/index.ts": "import { Hono } from 'hono'\n\nconst app: Hono = new Hono()\n"
    "app.get('/', (seen) => seen.text('hello from hono'))\nexport default app\n",
}
HONO_SERVER = {
    "package.json": package(
        type="module",
        dependencies={"hono": "^4", "@hono/node-server": "^1"},
        devDependencies={"tsx": "^4"},
        scripts={"dev": "tsx watch src/index.ts"},
    ),
    "src/index.ts": "import { serve } from '@hono/node-server'\nimport { Hono } from 'hono'\n\nconst app = new Hono()\n"
    "app.get('/', (seen) => seen.text('hello from hono-server'))\n"
    "serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) })\n",
}
POLKA = {
    "package.json": package(scripts={"start": "nodemon server.js"}, dependencies={"polka": "^0.5"}),
    "server.js": "require('polka')().get('/', (_, answer) => answer.end('hello from polka'))"
    ".listen(process.env.PORT)\n",
}
NEST = {
    "package.json": package(
        scripts={"build": "nest build", "start": "nest start", "start:prod": "node dist/main"},
        dependencies=dict.fromkeys(("@nestjs/core", "@nestjs/common", "@nestjs/platform-express"), "^10")
        | {"reflect-metadata": "^0.2", "rxjs": "^7"},
        devDependencies={"@nestjs/cli": "^10", "typescript": "^5", "@types/node": "^20"},
    ),
    "nest-cli.json": json.dumps({"sourceRoot": "src"}),
    "tsconfig.json": json.dumps(
        {
            "compilerOptions": {
                "module": "commonjs",
                "target": "ES2021",
                "outDir": "./dist",
                "experimentalDecorators": True,
                "emitDecoratorMetadata": True,
                "skipLibCheck": True,
            }
        }
    ),
    "src/main.ts": "import { Controller, Get, Module } from '@nestjs/common'\n"
    "import { NestFactory } from '@nestjs/core'\n\n"
    "@Controller()\nclass Front {\n  @Get()\n  hello(): string {\n    return 'hello from nest'\n  }\n}\n\n"
    "@Module({ controllers: [Front] })\nclass App {}\n\n"
    "NestFactory.create(App).then((app) => app.listen(process.env.PORT ?? 3000))\n",
}
NEXT = {
    "package.json": package(
        scripts={"dev": "next dev", "build": "next build", "start": "next start"},
        dependencies={"next": "^14", "react": "^18", "react-dom": "^18"},
    ),
    "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>\n",
    "app/page.js": "export const dynamic = 'force-dynamic'\nexport default () => <h1>hello from next</h1>\n",
}
ASTRO = {
    "package.json": package(
        type="module",
        scripts={"dev": "astro dev", "start": "astro dev", "build": "astro build"},
        dependencies={"astro": "^4", "@astrojs/node": "^8"},
    ),
    "astro.config.mjs": "import node from '@astrojs/node'\nimport { defineConfig } from 'astro/config'\n\n"
    "export default defineConfig({ output: 'server', adapter: node({ mode: 'standalone' }) })\n",
    "src/pages/index.astro": "---\nconst name = 'astro'\n---\n<h1>hello from {name}</h1>\n",
}
SVELTEKIT = {
    "package.json": package(
        type="module",
        scripts={"dev": "vite dev", "build": "vite build", "preview": "vite preview"},
        devDependencies={
            "@sveltejs/kit": "^2",
            "@sveltejs/adapter-auto": "^3",
            "@sveltejs/vite-plugin-svelte": "^4",
            "svelte": "^5",
            "vite": "^5",
        },
    ),
    "svelte.config.js": "import adapter from '@sveltejs/adapter-auto'\n\n"
    "export default { kit: { adapter: adapter() } }\n",
    "vite.config.js": "import { sveltekit } from '@sveltejs/kit/vite'\n\nexport default { plugins: [sveltekit()] }\n",
    "src/app.html": "<!doctype html><html><head>%sveltekit.head%</head><body>%sveltekit.body%</body></html>\n",
    "src/routes/+page.svelte": "<script>let { form } = $props()</script>\n<h1>hello from sveltekit {form?.word}</h1>\n",
    "src/routes/+page.server.js": "export const actions = {\n"
    "  default: async ({ request }) => ({ word: (await request.formData()).get('word') }),\n}\n",
}
REACT_ROUTER = {
    "package.json": package(
        type="module",
        scripts={
            "build": "react-router build",
            "dev": "react-router dev",
            "start": "react-router-serve ./build/server/index.js",
        },
        dependencies={
            "@react-router/node": "7.1.1",
            "@react-router/serve": "7.1.1",
            "isbot": "^5",
            "react": "^19",
            "react-dom": "^19",
            "react-router": "7.1.1",
        },
        devDependencies={"@react-router/dev": "7.1.1", "vite": "^6"},
    ),
    "vite.config.js": "import { reactRouter } from '@react-router/dev/vite'\n\n"
    "export default { plugins: [reactRouter()] }\n",
    "app/root.jsx": "import { Outlet } from 'react-router'\n\n"
    "export default () => <html><body><Outlet /></body></html>\n",
    "app/routes.js": "import { index } from '@react-router/dev/routes'\n\nexport default [index('home.jsx')]\n",
    "app/home.jsx": "export default () => <h1>hello from react-router</h1>\n",
}
ELEVENTY = {
    "package.json": package(scripts={"start": "eleventy --serve"}, devDependencies={"@11ty/eleventy": "^2"}),
    "index.md": "# hello from eleventy\n",
}
WORKSPACE = {
    "package.json": package(workspaces=["apps/*", "packages/*"]),
    "packages/words/package.json": package(name="words", version="1.0.0", main="index.js"),
    "packages/words/index.js": "module.exports = 'hello from workspace'\n",
    "apps/api/package.json": package(name="api", scripts={"start": "node server.js"}, dependencies={"words": "*"}),
    "apps/api/server.js": "require('http').createServer((_, answer) => answer.end(require('words')))"
    ".listen(process.env.PORT || 3000)\n",
}
ANYWHERE = {"fastify": FASTIFY, "koa": KOA, "polka": POLKA, "workspace": WORKSPACE}
PROCESS = {**ANYWHERE, "hono": HONO, "hono-server": HONO_SERVER, "next": NEXT, "eleventy": ELEVENTY}
LONG = {"nest": NEST, "astro": ASTRO, "react-router": REACT_ROUTER}  # 20 s each


@pytest.mark.parametrize("name", PROCESS)
async def test_a_project_answers_as_a_process(process: Slip, name: str) -> None:
    assert f"hello from {name}" in await process.front_page(PROCESS[name])


@pytest.mark.docker
@pytest.mark.parametrize("name", ANYWHERE)
async def test_a_project_answers_in_a_container(docker: Slip, name: str) -> None:
    assert f"hello from {name}" in await docker.front_page(ANYWHERE[name])


@soaking
@pytest.mark.parametrize("name", LONG)
async def test_a_project_that_builds_for_long_answers_as_a_process(process: Slip, name: str) -> None:
    assert f"hello from {name}" in await process.front_page(LONG[name])


@soaking
@pytest.mark.docker
async def test_a_site_that_builds_for_long_answers_in_a_container(docker: Slip) -> None:
    assert "hello from eleventy" in await docker.front_page(ELEVENTY)


async def test_a_form_of_sveltekit_is_no_other_sites(process: Slip) -> None:
    assert "hello from sveltekit" in await process.front_page(SVELTEKIT)

    sent = process.stage.client.post("/", data={"word": "again"}, headers={"Origin": f"http://{HOST}"})
    async with sent as answer:
        assert (answer.status, "again" in await answer.text()) == (200, True)
