"""Which start script may be used: development servers and static servers never are."""

from __future__ import annotations

import dataclasses
import re

from runners.frameworks.node.package import Package, without_comments
from runners.frameworks.tree import Tree

_WORD = r"(?:^|[\s/;&|('\"])"
_END = r"(?=$|[\s;&|)'\"])"

# Development servers: they rebuild on change, are slow and open, and refuse unknown hosts.
DEV = tuple(
    re.compile(_WORD + text)
    for text in (
        r"vite" + _END + r"(?!\s+(?:build|preview|optimize))",
        r"next(?:\s+dev" + _END + r"|\s*(?:$|[;&|]|-)|\s+(?!start|build|export|lint|telemetry|info)\S)",
        r"(?:nuxt|nuxi)(?:\s+dev" + _END + r"|\s*(?:$|[;&|]))",
        r"astro(?:\s+(?:dev|start)" + _END + r"|\s*(?:$|[;&|]|-))",
        r"(?:react-scripts|react-app-rewired|craco|preact|preact-cli|razzle|kyt|icejs|ice|max|umi|dumi)\s+(?:start|dev|watch|serve)"
        + _END,
        r"ng\s+(?:serve|s|dev)" + _END,
        r"vue-cli-service\s+serve|vue\s+serve",
        r"gatsby\s+develop|docusaurus\s+start|sapper\s+dev|gridsome\s+develop|hexo\s+server|hexo\s+s" + _END,
        r"(?:vitepress|vuepress|vuepress-vite)\s+dev|vitepress\s*(?:$|[;&|])",
        r"(?:eleventy|@11ty/eleventy)\b[^;&|]*--(?:serve|watch)",
        r"(?:brunch|snowpack|wmr)(?:\s+(?:watch|w|dev|start)|\s*$)|brunch\s+w",
        r"ember\s+(?:serve|server|s)" + _END,
        r"parcel(?!\s+build)" + _END,
        r"polymer\s+serve|sanity\s+(?:start|dev)|keystone\s+dev|medusa\s+develop|strapi\s+develop|payload\s+dev",
        r"stencil\b[^;&|]*--(?:dev|serve|watch)",
        r"(?:nx|turbo)\s+(?:run\s+)?(?:\S+:)?(?:serve|dev|start)|turbo\s+run\s+dev|lerna\s+run\s+(?:start|dev)",
        r"webpack(?:-cli)?\s+(?:serve|s|server)"
        + _END
        + r"|webpack-dev-server|webpack\b[^;&|]*\s(?:--watch|-w)"
        + _END,
        r"(?:rspack|rsbuild|farm|modern|poi|bili|tsup|rollup)\b[^;&|]*\s(?:dev|serve|--watch|-w)" + _END,
        r"(?:remix|react-router|solid-start|vinxi|qwik|svelte-kit|waku|fresh|tanstack|rw|redwood|blitz|expo|cross-expo)\s+(?:vite:)?(?:dev|start|ssr)"
        + _END,
        r"(?:start-storybook|storybook\s+dev|sb\s+dev|ladle\s+serve|histoire\s+dev)",
        r"nodemon|node-dev|ts-node-dev|tsnd|pm2-dev|supervisor|forever\s+-w",
        r"(?:tsx|bun|deno|swc-node|esno)\s+(?:run\s+)?(?:[^;&|]*\s)?(?:watch|--watch|--hot)" + _END,
        r"node\s+(?:[^;&|]*\s)?--watch(?:-path\S*)?",
        r"nest\s+start|medusa\s+start:dev|adonis\s+serve|node\s+ace\s+serve",
        r"(?:netlify|vercel|wrangler|wrangler2|firebase|amplify|serverless|sls|sst|miniflare)\s+(?:pages\s+)?(?:dev|serve|emulators:start|offline|start|mock)",
        r"(?:gulp|grunt|browser-sync|browsersync|budo|webpack-serve|electron|tauri|concurrently|npm-run-all|run-p|react-native)"
        + _END,
        r"(?:quasar\s+dev|ionic\s+serve|cordova\s+\S+|slidev(?!\s+(?:build|export))|marp\b[^;&|]*\s-s|tsc\b[^;&|]*\s(?:--watch|-w))",
    )
)

# Servers of files that lie there: the router does that itself.
FILES = re.compile(
    _WORD
    + r"(?:(?:serve|http-server|live-server|lite-server|sirv|local-web-server|ws|httpster|superstatic|static)"
    + _END
    + r"|vite\s+preview|astro\s+preview|gatsby\s+serve|docusaurus\s+serve|vitepress\s+(?:preview|serve)|eleventy"
    + _END
    + r")"
)

_PROGRAM = re.compile(
    r"(?:^|[\s;&|/])(?:node|nodemon|tsx|ts-node|ts-node-dev|tsnd|node-dev|babel-node|bun|esno|swc-node|deno|pm2-runtime)\s+"
    r"((?:(?:-r|--require|--import|--loader|--env-file|--experimental-loader|-P|--project)[= ]\S+\s+|-\S+\s+|run\s+|watch\s+|start\s+)*)([^\s;&|]+)"
)
_LISTENS = re.compile(
    r"\.listen\s*\(|createServer\s*\(|\bserve\s*\(|Bun\.serve|Deno\.serve|\.startServer\(|server\.start\(|startStandaloneServer\(|export default (?:app|server)\b|\bfire\("
)
_CODE = ("js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx")
NAMES = ["server", "app", "index", "main", "bot"]
FOLDERS = ("", "src/", "server/", "api/", "lib/", "bin/", "app/", "backend/", "server/src/", "src/server/")
_BUILT = re.compile(r"^(?:\./)?(?:dist|build|lib|out|output|\.output|bundle|\.next|compiled|js)\b")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """The file that starts the program, and what says so."""

    file: str
    evidence: str
    built: bool = False  # only there after the build


def is_dev(text: str) -> bool:
    """A development server is among the commands of this line."""
    return any(one.search(text) for one in DEV)


def is_static(text: str) -> bool:
    """It serves files that lie there, and nothing else."""
    return FILES.search(text) is not None and not _PROGRAM.search(text)


def chosen(package: Package) -> tuple[str, str] | None:
    """The script that starts production: name and text.  None: there is none that may be used."""
    for name in (
        "start",
        "start:prod",
        "start:production",
        "start-prod",
        "prod",
        "production",
        "serve:prod",
        "server",
        "serve",
    ):
        text = package.scripts.get(name)
        if text is None:
            continue
        spelled = package.spelled(text)
        if not is_dev(spelled) and not is_static(spelled) and not spelled.startswith(("echo ", "exit ")):
            return name, text
    return None


def entry(package: Package) -> Entry | None:
    """The program's file: named by a script, by `main`, or by custom; it exists, or the build makes it."""
    for name in ("start", "start:prod", "serve", "server", "dev", "develop"):
        for found in _PROGRAM.finditer(package.spelled(package.scripts.get(name, ""))):
            file = _file(package, found.group(2))
            if file:
                return dataclasses.replace(file, evidence=f"script {name} runs it")
    for key in ("main", "module"):
        main = package.raw.get(key)
        file = _file(package, main) if isinstance(main, str) else None
        if file and (file.built or listens(package.tree, file.file)):
            return dataclasses.replace(file, evidence=f"package.json names it as {key}")
    return named(package.tree)


def named(tree: Tree) -> Entry | None:
    """A file with a usual name that listens."""
    for folder in FOLDERS:
        for name in NAMES:
            file = tree.first(*(f"{folder}{name}.{end}" for end in _CODE))
            if file and listens(tree, file):
                return Entry(file, "a usual name, and it listens")
    alone = [name for name in tree.ending(*(f".{end}" for end in _CODE), depth=0) if listens(tree, name)]
    return Entry(alone[0], "the only file that listens") if len(alone) == 1 else None


def listens(tree: Tree, file: str) -> bool:
    return _LISTENS.search(without_comments(tree.text(file))) is not None


def _file(package: Package, word: str) -> Entry | None:
    word = word.strip("'\"").removeprefix("./").rstrip("/")
    tree = package.tree
    if word in ("", "."):
        main = package.raw.get("main")
        if isinstance(main, str) and main.strip("./ "):
            return _file(package, main)
        word = "index"
    found = tree.first(word, *(f"{word}.{end}" for end in _CODE), *(f"{word}/index.{end}" for end in _CODE))
    if found:
        return Entry(found, "")
    if _BUILT.match(word) and package.script("build", "heroku-postbuild", "compile", "prestart", "postinstall"):
        return Entry(word, "", built=True)
    return None
