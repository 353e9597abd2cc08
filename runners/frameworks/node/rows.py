"""The Node frameworks we know, strongest first.

To add one, add a row; a shape too when what its build leaves depends on its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from runners.frameworks.node import shapes
from runners.frameworks.node.package import Package
from runners.frameworks.node.shapes import Shape


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One framework, found by a package that package.json names.

    What comes out of its build is `shape`, or what the function says that looks at the settings."""

    name: str
    packages: tuple[str, ...]
    shape: Shape | Callable[[Package], Shape]
    build: str | None = None  # when package.json has no build script
    own: str = ""  # a start script with this pattern is the framework's own: ours replaces it
    port: int = 3000

    def formed(self, package: Package) -> Shape:
        return self.shape if isinstance(self.shape, Shape) else self.shape(package)


def _site(name: str, *packages: str, out: str, build: str | None, spa: bool = False, port: int = 3000) -> Row:
    return Row(name=name, packages=packages, shape=Shape(static=out, fallback=spa), build=build, port=port)


def _server(name: str, *packages: str, port: int = 3000) -> Row:
    return Row(name=name, packages=packages, shape=Shape(), port=port)


ROWS: tuple[Row, ...] = (
    Row(name="next", packages=("next",), shape=shapes.next_, build="next build", own=r"\bnext\s+start\b"),
    Row(name="nuxt", packages=("nuxt", "nuxt3", "nuxt-edge"), shape=shapes.nuxt, build="nuxt build",
        own=r"\bnu(xt|xi)\s+(start|preview)\b|\.output/server/index"),
    Row(name="react-router", packages=("@react-router/dev",), shape=shapes.react_router, build="react-router build",
        own=r"\breact-router-serve\b"),
    Row(name="remix", packages=("@remix-run/dev", "@remix-run/serve"), shape=shapes.remix, build="remix vite:build",
        own=r"\bremix-serve\b"),
    Row(name="sveltekit", packages=("@sveltejs/kit",), shape=shapes.sveltekit, build="vite build",
        own=r"\bnode\s+(\./)?build(/index(\.js)?)?(?=$|\s)", port=3000),
    Row(name="tanstack-start", packages=("@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start"),
        shape=shapes.nitro, build="vite build", own=r"\.output/server/index"),
    Row(name="solidstart", packages=("@solidjs/start",), shape=shapes.nitro, build="vinxi build",
        own=r"\bvinxi\s+start\b|\.output/server/index"),
    Row(name="astro", packages=("astro",), shape=shapes.astro, build="astro build", own=r"server/entry\.mjs",
        port=4321),
    Row(name="angular", packages=("@angular/core", "@angular/cli"), shape=shapes.angular, build="ng build", port=4200),
    _site("docusaurus", "@docusaurus/core", out="build", build="docusaurus build"),
    _site("gatsby", "gatsby", out="public", build="gatsby build", port=8000),
    Row(name="vitepress", packages=("vitepress",), shape=shapes.vitepress, port=5173),
    Row(name="vuepress", packages=("vuepress", "@vuepress/cli"), shape=shapes.vuepress, port=8080),
    Row(name="eleventy", packages=("@11ty/eleventy",), shape=shapes.eleventy, build="eleventy", port=8080),
    _site("gridsome", "gridsome", out="dist", build="gridsome build", port=8080),
    _site("hexo", "hexo", out="public", build="hexo generate", port=4000),
    _site("vue", "@vue/cli-service", out="dist", build="vue-cli-service build", spa=True, port=8080),
    Row(name="cra", packages=("react-scripts", "react-app-rewired", "@craco/craco"),
        shape=Shape(static="build", fallback=True, env="PUBLIC_URL=/"), build="react-scripts build"),
    _site("ember", "ember-cli", out="dist", build="ember build --environment=production", spa=True, port=4200),
    _site("preact", "preact-cli", out="build", build="preact build", spa=True, port=8080),
    Row(name="nest", packages=("@nestjs/core",), shape=shapes.nest, build="nest build", own=r"\bnest\s+start\b"),
    Row(name="vite", packages=("vite", "rolldown-vite"), shape=shapes.vite, build="vite build", port=5173),
    _site("storybook", "storybook", "@storybook/react", "@storybook/vue3", out="storybook-static",
          build="storybook build", port=6006),
    _site("parcel", "parcel", "parcel-bundler", out="dist", build="parcel build index.html --public-url /", spa=True,
          port=1234),
    Row(name="rsbuild", packages=("@rsbuild/core",), shape=Shape(static="dist", fallback=True), build="rsbuild build"),
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
    Row(name="webpack", packages=("webpack",), shape=shapes.webpack, port=8080),
)  # fmt: skip

# Programs that talk to a chat instead of to browsers.
BOTS = ("discord.js", "telegraf", "grammy", "node-telegram-bot-api", "@slack/bolt", "whatsapp-web.js", "tmi.js")
