"""The Node frameworks we know, strongest first.

To add one, add a row; a shape too when what its build leaves depends on its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from runners.frameworks.node import shapes
from runners.frameworks.node.package import Package
from runners.frameworks.node.shapes import Shape

BUILDS = ("build", "heroku-postbuild", "build:prod", "build:production", "vercel-build", "gcp-build")

CACHES = ("node_modules/.cache",)  # where tools agree to keep what makes the next build faster
DOCUMENTS = ("docs:build", "build:docs", "docs-build", *BUILDS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One framework, found by a package that package.json names.

    What comes out of its build is `shape`, or what the function says that looks at the settings; None: it is named,
    but is not what makes this project."""

    name: str
    packages: tuple[str, ...]
    shape: Shape | Callable[[Package], Shape | None]
    build: str | None = None  # when package.json has no build script
    own: str = ""  # a start script with this pattern is the framework's own: ours replaces it
    port: int = 3000
    scripts: tuple[str, ...] = BUILDS  # that build it; the first that is there
    caches: tuple[str, ...] = ()  # that its build fills, beside CACHES

    def formed(self, package: Package) -> Shape | None:
        return self.shape if isinstance(self.shape, Shape) else self.shape(package)


def _site(name: str, *packages: str, out: str, build: str | None, spa: bool = False, port: int = 3000) -> Row:
    return Row(name=name, packages=packages, shape=Shape(static=out, fallback=spa), build=build, port=port)


def _server(name: str, *packages: str, port: int = 3000) -> Row:
    return Row(name=name, packages=packages, shape=Shape(), port=port)


ROWS: tuple[Row, ...] = (
    Row(name="next", packages=("next",), shape=shapes.next_, build="next build",
        own=r"\b(next|blitz)\s+start\b|\.next/standalone", caches=(".next/cache",)),
    Row(name="nuxt", packages=("nuxt", "nuxt3", "nuxt-edge"), shape=shapes.nuxt, build="nuxt build",
        own=r"\bnu(xt|xi)\s+(start|preview)\b|\.output/server/index"),
    Row(name="react-router", packages=("@react-router/dev",), shape=shapes.react_router, build="react-router build",
        own=r"\breact-router-serve\b"),
    Row(name="hydrogen", packages=("@shopify/hydrogen",), shape=shapes.hydrogen, build="shopify hydrogen build",
        own=r"\bhydrogen\s+preview\b"),
    Row(name="remix", packages=("@remix-run/dev", "@remix-run/serve"), shape=shapes.remix, build="remix vite:build",
        own=r"\bremix-serve\b"),
    Row(name="sveltekit", packages=("@sveltejs/kit",), shape=shapes.sveltekit, build="vite build",
        own=r"\bnode\s+(\./)?build(/index(\.js)?)?(?=$|\s)", port=3000),
    Row(name="tanstack-start", packages=("@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start"),
        shape=shapes.tanstack, build="vite build", own=r"\.output/server/index|dist/server/server\.js|\bvinxi\s+start"),
    Row(name="analog", packages=("@analogjs/platform",), shape=shapes.analog, build="vite build",
        own=r"dist/analog/server"),
    Row(name="solidstart", packages=("@solidjs/start", "solid-start"), shape=shapes.solid_start, build="vinxi build",
        own=r"\bvinxi\s+start\b|\.output/server/index|\bsolid-start\s+start\b"),
    Row(name="astro", packages=("astro",), shape=shapes.astro, build="astro build", own=r"server/entry\.mjs",
        port=4321, caches=("node_modules/.astro",)),
    Row(name="qwik", packages=("@builder.io/qwik-city", "@qwik.dev/router"), shape=shapes.qwik, port=5173),
    Row(name="waku", packages=("waku",), shape=Shape(start="waku start --host $HOST --port $PORT"), build="waku build",
        own=r"\bwaku\s+start\b"),
    _site("scully", "@scullyio/scully", "@scullyio/init", out="dist/static", build="ng build && scully", port=1668),
    Row(name="angular", packages=("@angular/core", "@angular/cli"), shape=shapes.angular, build="ng build",
        own=r"dist/[\w./-]*server", port=4200, caches=(".angular/cache",)),
    _site("docusaurus", "@docusaurus/core", "docusaurus", out="build", build="docusaurus build"),
    _site("gatsby", "gatsby", out="public", build="gatsby build", port=8000),
    Row(name="vitepress", packages=("vitepress",), shape=shapes.vitepress, build="vitepress build docs", port=5173,
        scripts=DOCUMENTS),
    Row(name="vuepress", packages=("vuepress", "@vuepress/cli"), shape=shapes.vuepress, build="vuepress build docs",
        port=8080, scripts=DOCUMENTS),
    Row(name="eleventy", packages=("@11ty/eleventy",), shape=shapes.eleventy, build="eleventy", port=8080,
        caches=(".cache",)),
    _site("gridsome", "gridsome", out="dist", build="gridsome build", port=8080),
    _site("hexo", "hexo", out="public", build="hexo generate", port=4000),
    _site("saber", "saber", out="public", build="saber build"),
    _site("vocs", "vocs", out="docs/dist", build="vocs build", port=5173),
    _site("observable", "@observablehq/framework", out="dist", build="observable build"),
    _site("react-static", "react-static", out="dist", build="react-static build"),
    _site("docz", "docz", out=".docz/dist", build="docz build"),
    _site("slidev", "@slidev/cli", out="dist", build="slidev build", spa=True, port=3030),
    _site("rspress", "rspress", "@rspress/core", out="doc_build", build="rspress build"),
    Row(name="vue", packages=("@vue/cli-service",), shape=shapes.vue, build="vue-cli-service build", port=8080),
    Row(name="cra", packages=("react-scripts", "react-app-rewired", "@craco/craco"), shape=shapes.cra,
        build="react-scripts build"),
    _site("elm", "create-elm-app", out="build", build="elm-app build", spa=True),
    _site("ember", "ember-cli", out="dist", build="ember build --environment=production", spa=True, port=4200),
    _site("preact", "preact-cli", out="build", build="preact build", spa=True, port=8080),
    Row(name="nest", packages=("@nestjs/core",), shape=shapes.nest, build="nest build", own=r"\bnest\s+start\b"),
    _site("dojo", "@dojo/cli", "@dojo/cli-build-app", out="output/dist", build="dojo build --mode dist", port=9999),
    _site("stencil", "@stencil/core", out="www", build="stencil build", spa=True, port=3333),
    _site("umi", "umi", "@umijs/max", out="dist", build="umi build", spa=True, port=8000),
    _site("polymer", "polymer-cli", out="build/default", build="polymer build", spa=True, port=8081),
    _site("brunch", "brunch", out="public", build="brunch build --production", port=3333),
    _site("quasar", "@quasar/app-vite", "@quasar/app-webpack", out="dist/spa", build="quasar build", spa=True),
    _site("expo", "expo", out="dist", build="expo export --platform web", spa=True, port=8081),
    Row(name="sapper", packages=("sapper",), shape=shapes.sapper, build="sapper build"),
    Row(name="nitro", packages=("nitropack", "nitro"), shape=shapes.nitro, build="nitro build",
        own=r"\.output/server/index"),
    Row(name="adonis", packages=("@adonisjs/core",), shape=Shape(start="cd build && node bin/server.js"),
        build="node ace build", own=r"bin/(server|console)|\bace\b", port=3333),
    Row(name="strapi", packages=("@strapi/strapi",), shape=Shape(start="strapi start"), build="strapi build",
        own=r"\bstrapi\s+start\b", port=1337),
    Row(name="redwoodjs", packages=("@redwoodjs/core",), shape=Shape(start="rw serve --port $PORT"), build="rw build",
        own=r"\b(?:rw|redwood)\s+serve\b", port=8910),
    Row(name="modernjs", packages=("@modern-js/app-tools",), shape=Shape(start="modern serve"), build="modern build",
        own=r"\bmodern\s+(?:serve|start)\b", port=8080),
    Row(name="mastra", packages=("mastra",), shape=Shape(start="mastra start"), build="mastra build",
        own=r"\bmastra\s+start\b", port=4111),
    Row(name="medusa", packages=("@medusajs/medusa",), shape=Shape(start="medusa start"), build="medusa build",
        own=r"\bmedusa\s+start\b", port=9000),
    Row(name="vite", packages=("vite", "rolldown-vite"), shape=shapes.vite, build="vite build", port=5173,
        caches=("node_modules/.vite",)),
    _site("sanity", "sanity", "@sanity/core", out="dist", build="sanity build", spa=True, port=3333),
    Row(name="storybook", packages=("storybook", "@storybook/react", "@storybook/vue3", "@storybook/html"),
        shape=shapes.storybook, build="storybook build", port=6006,
        scripts=("build-storybook", "build:storybook", "storybook:build", "storybook-build")),
    Row(name="parcel", packages=("parcel", "parcel-bundler"), shape=shapes.parcel,
        build="parcel build index.html --public-url /", port=1234, caches=(".parcel-cache",)),
    Row(name="rsbuild", packages=("@rsbuild/core",), shape=shapes.rsbuild, build="rsbuild build"),
    _site("metalsmith", "metalsmith", out="build", build=None),
    Row(name="functions-framework", packages=("@google-cloud/functions-framework",), shape=shapes.function, port=8080,
        own=r"\bfunctions-framework\b"),
    _server("xmcp", "xmcp"),
    _server("foal", "@foal/core"),
    _server("express", "express"),
    _server("fastify", "fastify"),
    _server("koa", "koa"),
    _server("hono", "hono"),
    _server("polka", "polka"),
    _server("elysia", "elysia"),
    _server("h3", "h3"),
    _server("hapi", "@hapi/hapi"),
    _server("restify", "restify"),
    _server("apollo", "@apollo/server", "apollo-server"),
    _server("socket.io", "socket.io"),
    _server("ws", "ws"),
    Row(name="webpack", packages=("webpack", "@rspack/core"), shape=shapes.webpack, port=8080),
    Row(name="svelte", packages=("svelte",), shape=shapes.files, port=8080),
)  # fmt: skip

# Programs that talk to a chat instead of to browsers.
BOTS = ("discord.js", "telegraf", "grammy", "node-telegram-bot-api", "@slack/bolt", "whatsapp-web.js", "tmi.js")
