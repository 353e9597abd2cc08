"""The command lines of package.json's scripts: what they start, and whether that may serve a preview."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from runners.frameworks.tree import words

_BREAK = re.compile(r"&&|\|\||[;&|()\n]")
_ASSIGNED = re.compile(r"^\w+=")
_INSIDE = re.compile(r"(?:^|/)node_modules/(?:\.bin/)?(@[\w.-]+/[\w.-]+|[\w.-]+)")
_VALUED = words(
    "-r --require --import --loader --experimental-loader --env-file -P --project --exec -x -e -f --ext -w -i"
)
_WRAPPERS = words("cross-env cross-env-shell env npx bunx pnpx exec dlx time nice dumb-init doppler")
_ENV_FILES = words("dotenv dotenvx env-cmd dotenv-cli")  # `dotenv -e .env -- node x`
_MANAGERS = words("npm pnpm yarn bun")
RUNNERS = words(
    "node nodemon tsx ts-node ts-node-dev tsnd node-dev babel-node bun esno swc-node pm2-runtime supervisor forever"
    " ts-node-esm vite-node jiti"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One simple command of a line, without what only sets its environment."""

    program: str
    args: tuple[str, ...]

    @property
    def verb(self) -> str | None:
        """The first argument that is no flag: `ng serve --open` -> `serve`."""
        skip = False
        for arg in self.args:
            if skip or arg.startswith("-"):
                skip = not skip and arg in _VALUED
                continue
            return arg
        return None

    @property
    def file(self) -> str | None:
        """What a runner such as node runs; None for other programs and for code on the line."""
        if self.program == "wrangler" and self.args[:1] == ("dev",):
            return Command(self.program, self.args[1:]).verb
        if self.program not in RUNNERS:
            return None
        rest = [arg for arg in self.args if arg not in ("run", "watch", "start")]
        return Command(self.program, tuple(rest)).verb


def commands(line: str) -> Iterator[Command]:
    """The simple commands of a line; quoting is taken off, not understood."""
    for part in _BREAK.split(line):
        found = _unwrapped([word.strip("'\"") for word in part.split()])
        if len(found) > 1 and found[0] in _MANAGERS and found[1] in ("exec", "dlx", "x"):
            found = [word for word in found[2:] if not word.startswith("-")]
        inner = _INSIDE.search(found[1]) if len(found) > 1 and found[0] == "node" else None
        if inner:
            found = [inner.group(1), *found[2:]]  # node node_modules/vite/bin/vite.js
        if found:
            yield Command(found[0].rpartition("node_modules/.bin/")[2], tuple(found[1:]))


def _unwrapped(found: list[str]) -> list[str]:
    """Without what goes before the program: `A=b cross-env C=d npx -y next dev` -> `next dev`."""
    while found and (_ASSIGNED.match(found[0]) or found[0] in _WRAPPERS or found[0] in _ENV_FILES):
        if found[0] in _ENV_FILES and "--" in found:
            found = found[found.index("--") :]
        found = found[1:]
        while found and found[0].startswith("-"):
            found = found[2:] if found[0] in _VALUED else found[1:]
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """Commands of one sort: by the verb, by its absence (`bare`), by any verb but some, or by a flag."""

    programs: frozenset[str]
    verbs: frozenset[str] = frozenset()
    bare: bool = False
    unless: frozenset[str] | None = None
    flags: frozenset[str] = frozenset()

    def fits(self, command: Command) -> bool:
        if command.program not in self.programs:
            return False
        verb = command.verb
        if self.unless is not None and verb not in self.unless:
            return True
        return (self.bare and verb is None) or verb in self.verbs or not self.flags.isdisjoint(command.args)


def _known(programs: str, verbs: str = "", *, bare: bool = False, unless: str | None = None, flags: str = "") -> Known:
    but = None if unless is None else words(unless)
    return Known(words(programs), words(verbs), bare, but, words(flags))


# Development servers: they rebuild on change, are slow and open, and refuse unknown hosts.  To add one, add a row.
DEV = (
    _known("vite rolldown-vite", unless="build preview optimize"),
    _known("next", unless="start build export lint telemetry info"),
    _known("nuxt nuxi nuxt-ts", "dev", bare=True),
    _known("astro", "dev start", bare=True),
    _known("react-scripts react-app-rewired craco preact preact-cli razzle kyt icejs ice max umi dumi",
           "start dev watch serve"),
    _known("ng", "serve s dev"),
    _known("vue-cli-service vue quasar ionic", "serve dev"),
    _known("gatsby gridsome", "develop"),
    _known("docusaurus hexo sapper", "start dev server s"),
    _known("vitepress vuepress vuepress-vite", "dev", bare=True),
    _known("eleventy @11ty/eleventy", flags="--serve --watch"),
    _known("brunch snowpack wmr", "watch w dev start", bare=True),
    _known("ember", "serve server s"),
    _known("parcel parcel-bundler", unless="build watch help"),
    _known("polymer sanity keystone medusa strapi payload", "serve start:dev dev develop"),
    _known("sanity", "start"),
    _known("stencil", flags="--dev --serve --watch"),
    _known("nx turbo lerna rush moon", unless="build affected:build run-many"),
    _known("webpack webpack-cli rspack", "serve s server watch w", flags="--watch -w --serve"),
    _known("webpack-dev-server webpack-serve", bare=True, unless=""),
    _known("rsbuild modern poi bili farm", "dev serve start"),
    _known("tsup rollup esbuild tsc microbundle tsc-watch", flags="--watch -w --serve --watch=forever"),
    _known("remix react-router", "dev vite:dev"),
    _known("solid-start vinxi waku qwik svelte-kit rw redwood blitz expo", "dev start ssr"),
    _known("vinxi waku blitz", "dev"),
    _known("elm-app marko-starter tsdx", "start server"),
    _known("shopify hydrogen mastra nitro nitropack analog rspress motia encore", "dev hydrogen run"),
    _known("start-storybook", bare=True, unless=""),
    _known("storybook sb ladle histoire", "dev serve"),
    _known("nodemon node-dev ts-node-dev tsnd pm2-dev supervisor", bare=True, unless=""),
    _known("tsx swc-node esno vite-node", "watch", flags="--watch -w"),
    _known("bun deno node", "--watch", flags="--watch --hot --watch-path"),
    _known("nest", "start"),
    _known("netlify vercel wrangler wrangler2 firebase amplify miniflare", "dev serve emulators:start start pages",
           bare=True),
    _known("serverless sls sst", "offline dev"),
    _known("gulp grunt browser-sync browsersync budo electron tauri concurrently npm-run-all npm-run-all2 run-p",
           bare=True, unless=""),
    _known("slidev", unless="build export"),
    _known("flask", "run"),
)  # fmt: skip

# Servers of files that lie there: the router does that itself.
FILES = (
    _known("serve http-server live-server lite-server sirv local-web-server ws httpster superstatic", unless=""),
    _known("vite astro vitepress", "preview serve"),
    _known("gatsby docusaurus", "serve"),
)  # fmt: skip


def is_dev(line: str) -> bool:
    """A development server is among its commands."""
    return any(known.fits(command) for command in commands(line) for known in DEV)


def is_files(line: str) -> bool:
    """It serves files that lie there, and nothing else of it is a program."""
    found = list(commands(line))
    return any(known.fits(one) for one in found for known in FILES) and not any(one.file for one in found)
