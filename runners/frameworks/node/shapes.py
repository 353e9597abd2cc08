"""What a framework's build leaves, where that depends on its settings: a folder of files, or a server."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from runners.frameworks import functions
from runners.frameworks.node.commands import FILES, commands
from runners.frameworks.node.install import TOOLS
from runners.frameworks.node.package import Package
from runners.frameworks.node.settings import block, folder, joined, path, setting, shallow


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """`static` is the folder to serve; None is a server that `start` starts (None: the project's own program)."""

    static: str | None = None
    start: str | None = None
    entry: str | None = None  # the file that is served, where `start` does not name it
    fallback: bool = False
    why: str = ""
    env: str = ""  # set in front of the build line
    before: str = ""  # set in front of that
    build_args: str = ""  # added to the build line
    tools: tuple[str, ...] = ()  # programs that are added to start it
    variables: tuple[tuple[str, str], ...] = ()  # that the running program sees


def next_(package: Package) -> Shape:
    config = package.config("next.config")
    built = package.spelled(package.scripts.get("build", ""))
    out = setting(config, "distDir")
    if re.search(r"\boutput\s*[:=]\s*['\"`]export['\"`]", config):
        return Shape(static=out or "out", why="next.config says output: export")
    told = re.search(r"\bnext\s+export\b(?:.*?(?:-o|--outdir)[= ]([\w./-]+))?", built)
    if told:
        return Shape(static=joined("", told.group(1) or "out"), why="the build script runs next export")
    return Shape(start="next start -H $HOST -p $PORT")


def nuxt(package: Package) -> Shape:
    built = package.spelled(package.scripts.get("build", ""))
    old = re.match(r"\D*2\.", package.deps.get("nuxt", ""))
    if re.search(r"\bnu(xt|xi)\s+generate\b|\bnuxt\s+build\s+.*--prerender", built):
        return Shape(static="dist" if old else ".output/public", why="the build script generates a static site")
    if old:
        return Shape(start="nuxt start -H $HOST -p $PORT", why="the server of Nuxt 2")
    return Shape(start="node .output/server/index.mjs", env="NITRO_PRESET=node-server")


def nitro(package: Package) -> Shape:
    return Shape(start="node .output/server/index.mjs", env="NITRO_PRESET=node-server SERVER_PRESET=node-server")


def solid_start(package: Package) -> Shape:
    """Before 1.0 it is a plugin of Vite, with adapters."""
    if package.has("@solidjs/start"):
        return nitro(package)
    if package.has("solid-start-static"):
        return Shape(static="dist/public", why="it uses solid-start-static")
    return Shape(start="solid-start start --host $HOST --port $PORT", why="what solid-start build leaves")


def tanstack(package: Package) -> Shape:
    config = package.config("vite.config", "app.config")
    if package.has("nitro", "nitropack", "@tanstack/nitro-v2-vite-plugin", "vinxi") or package.has("@tanstack/start"):
        return nitro(package)
    if re.search(r"\bspa\s*:\s*\{\s*enabled\s*:\s*true", config):
        return Shape(static="dist/client", fallback=True, why="vite.config says spa")
    line = "--prod --host $HOST --port $PORT --static ../client --entry server.js --dir dist/server"
    return Shape(
        start=f"{tool(package, 'srvx')} {line}", why="its build is a fetch handler", tools=missing(package, "srvx")
    )


def analog(package: Package) -> Shape:
    if re.search(r"\bssr\s*:\s*false\b|\bstatic\s*:\s*true\b", package.config("vite.config")):
        return Shape(static="dist/analog/public", fallback=True, why="vite.config says so")
    return Shape(start="node dist/analog/server/index.mjs", env="BUILD_PRESET=node-server NITRO_PRESET=node-server")


def react_router(package: Package) -> Shape:
    config = package.config("react-router.config")
    out = setting(config, "buildDirectory") or "build"
    if re.search(r"\bssr\s*:\s*false\b", config):
        return Shape(static=f"{out}/client", fallback=True, why="react-router.config says ssr: false")
    told = re.search(r"react-router-serve\s+(?:\./)?([\w./-]+)", package.scripts.get("start", ""))
    found = told.group(1) if told else f"{out}/server/index.js"
    return Shape(start=f"react-router-serve ./{found}")


def hydrogen(package: Package) -> Shape:
    if package.has("vite") and not package.has("@remix-run/dev", "@shopify/remix-oxygen", "@shopify/mini-oxygen"):
        return Shape(start="node dist/node", why="what it builds for Node", build_args="--target=node")
    return Shape(start="shopify hydrogen preview --port $PORT", why="its worker needs the runtime it is written for")


def remix(package: Package) -> Shape:
    config = package.config("vite.config")
    if re.search(r"\bssr\s*:\s*false\b", config):
        return Shape(static="build/client", fallback=True, why="vite.config says ssr: false")
    new = "vite:build" in package.scripts.get("build", "vite:build" if config else "")
    return Shape(start=f"remix-serve ./build/{'server/index.js' if new else 'index.js'}")


# adapter-node takes every address for https unless told where to look, and then refuses forms as another site's
_SEEN = (("PROTOCOL_HEADER", "x-forwarded-proto"),)


def sveltekit(package: Package) -> Shape:
    config = package.config("svelte.config")
    if package.has("@sveltejs/adapter-static") and ("adapter-static" in config or not config):
        page = folder(config, "pages")
        spa = re.search(r"\bfallback\s*:", config) is not None
        return Shape(static=page or "build", fallback=spa, why="it uses adapter-static")
    if package.has("@sveltejs/adapter-node"):
        out = folder(config, "out")
        return Shape(start=f"node {out or 'build'}", why="it uses adapter-node", variables=_SEEN)
    # adapter-auto takes adapter-node when it believes to be in a buildpack and finds it; else it tries to install it
    named = re.search(r"@sveltejs/adapter-(?:vercel|netlify|cloudflare)\b", config)
    swap = f"sed -i.bak 's#{named.group(0)}#@sveltejs/adapter-node#' svelte.config.*s && " if named else ""
    new = (
        "@sveltejs/adapter-node@5"
        if re.match(r"\D*[2-9]", package.deps["@sveltejs/kit"])
        else "@sveltejs/adapter-node@1"
    )
    why = f"{named.group(0) if named else 'adapter-auto'} gives way to adapter-node"
    return Shape(start="node build", env="GCP_BUILDPACKS=true", before=swap, why=why, tools=(new,), variables=_SEEN)


def astro(package: Package) -> Shape:
    config = package.config("astro.config")
    out = folder(config, "outDir") or "dist"
    adapted = not config or re.search(r"\badapter\s*[:,]", config) is not None
    if package.has("@astrojs/node") and re.search(r"\bmode\s*:\s*['\"`]middleware['\"`]", config):
        return Shape()  # a server of the project's own takes it in
    if package.has("@astrojs/node") and adapted:
        return Shape(start=f"node ./{out}/server/entry.mjs", why="it uses @astrojs/node")
    if re.search(r"\boutput\s*:\s*['\"`](server|hybrid)['\"`]", config):
        return Shape(start=f"node ./{out}/server/entry.mjs", why="astro.config says output: server")
    return Shape(static=out)


def qwik(package: Package) -> Shape:
    scripts = " ; ".join(package.scripts.values())
    served = re.search(r"\bnode\s+(?:\./)?(server/entry[\w.-]*)", scripts)
    if served:
        return Shape(start=f"node {served.group(1)}", why="a script says what starts its server")
    for name in ("express", "fastify", "node-server"):
        if package.tree.first(f"adapters/{name}/vite.config.ts", f"adapters/{name}/vite.config.mts"):
            return Shape(start=f"node server/entry.{name}", why=f"it has the adapter {name}")
    return Shape(static="dist", why="where its client is built to")


def angular(package: Package) -> Shape:
    projects = package.tree.json("angular.json").get("projects")
    found = list(projects.items()) if isinstance(projects, dict) else []
    found.sort(key=lambda one: not (isinstance(one[1], dict) and one[1].get("projectType") == "application"))
    for name, project in found:
        try:
            target = (project.get("architect") or project["targets"])["build"]
            shape = _angular(package, name, target.get("options") or {}, str(target.get("builder", "")), project)
        except (LookupError, TypeError, AttributeError):
            continue
        return shape
    return Shape(static=f"dist/{package.raw.get('name', 'app')}", fallback=True)


def _angular(package: Package, name: str, options: Any, builder: str, project: Any) -> Shape:
    modern = builder.endswith(":application")
    out = options.get("outputPath", f"dist/{name}")
    base, browser = (
        (out.get("base", f"dist/{name}"), out.get("browser", "browser"))
        if isinstance(out, dict)
        else (str(out), "browser")
    )
    base = joined("", str(base))
    if modern and options.get("outputMode") != "static" and (options.get("ssr") or options.get("server")):
        return Shape(start=f"node {base}/server/server.mjs", why="angular.json names a server")
    universal = re.search(r"\bnode\s+(dist/[\w./-]+)", package.scripts.get("serve:ssr", ""))
    if not modern and universal and "server" in (project.get("architect") or project["targets"]):
        return Shape(start=f"node {universal.group(1)}", why="the script serve:ssr starts what the build leaves")
    static = f"{base}/{browser}" if modern and browser else base
    return Shape(static=static, fallback=True, why="angular.json says where")


def vitepress(package: Package) -> Shape:
    return _documented(package, "vitepress")


def vuepress(package: Package) -> Shape:
    return _documented(package, "vuepress")


def _documented(package: Package, program: str) -> Shape:
    """Sites whose settings lie in a hidden folder of the pages."""
    below = _argument(package, program, "docs")
    config = package.config(joined(below, f".{program}/config"))
    told = path(config, "outDir" if program == "vitepress" else "dest")
    if told:
        return Shape(
            static=joined("" if told[1] and not below else below, told[0]), why=f"its {program} config says so"
        )
    return Shape(static=joined(below, f".{program}/dist"))


def eleventy(package: Package) -> Shape:
    config = package.config(".eleventy", "eleventy.config")
    told = re.search(r"--output[= ]([\w./-]+)", package.spelled(package.scripts.get("build", "")))
    set_ = re.search(r"\bsetOutputDirectory\(\s*['\"`]([\w./-]+)", config)
    found = told or set_
    return Shape(static=joined("", (found.group(1) if found else None) or setting(config, "output") or "_site"))


def nest(package: Package) -> Shape | None:
    told = package.tree.json("nest-cli.json")
    entry = str(told.get("entryFile", "main"))
    below = ""
    if told.get("monorepo") and isinstance(told.get("root"), str):
        below = f"{told['root']}/"
    elif not told and package.tree.first("src/main.ts") is None:
        return None
    elif told.get("sourceRoot") == "src" and package.tree.first(f"src/{entry}.ts") is None:
        below = "src/"
    return Shape(start=f"node dist/{below}{entry}", why="what nest build leaves; nest start is for developing")


def vue(package: Package) -> Shape:
    told = folder(package.config("vue.config"), "outputDir")
    return Shape(static=told or "dist", fallback=True, why="vue.config says so" if told else "")


def cra(package: Package) -> Shape:
    told = re.search(r"\bBUILD_PATH=['\"]?([\w./-]+)", package.spelled(package.scripts.get("build", "")))
    return Shape(static=joined("", told.group(1)) if told else "build", fallback=True, env="PUBLIC_URL=/")


_NAMED = re.compile(r"\bfunctions\s{0,9}\.\s{0,9}\w+\(\s{0,9}['\"](\w+)|^exports\.(\w+)\s{0,9}=", re.MULTILINE)


def function(package: Package) -> Shape | None:
    """One function that functions-framework serves: `main`, index.js or function.js holds it."""
    main = package.raw.get("main")
    file = package.tree.first(*((main.removeprefix("./"),) if isinstance(main, str) else ()), "index.js", "function.js")
    found = _NAMED.search(package.tree.text(file)) if file else None
    name = functions.told(package.tree) or (found.group(1) or found.group(2) if found else None)
    if file is None or name is None:
        return None
    return Shape(start=f"functions-framework --target={name} --port $PORT", entry=file, why=f"{file} has {name}()")


_SERVERS = ("hono", "express", "fastify", "koa", "h3", "elysia", "polka")


def vite(package: Package) -> Shape | None:
    config = package.config("vite.config")
    built = package.spelled(package.scripts.get("build", ""))
    inside = block(config, "build")
    below = path(shallow(config), "root")
    root = below[0] if below else ""
    if not package.tree.has(joined(root, "index.html")) and not _makes_pages(package, config, inside, built):
        return None
    told = re.search(r"--outDir[= ]([\w./-]+)", built)
    set_ = (told.group(1), False) if told else path(inside, "outDir")
    moved = re.search(r"\bbase\s*:[^,}\n]{0,80}['\"`]/[\w-]", config)
    name, from_top = set_ or ("dist", False)
    return Shape(
        static=joined("" if from_top else root, name) or "dist",
        fallback=True,
        why="vite.config says so" if set_ or below else "Vite's own default",
        build_args="--base=/" if moved else "",
    )


def _makes_pages(package: Package, config: str, inside: str, built: str) -> bool:
    """Without a page that it could start from: unless it makes a library or a server, or is there for the tests."""
    if block(inside, "lib") or not (config or re.search(r"\bvite\b", built)):
        return False
    if package.has("@hono/vite-build"):
        return False
    return re.search(r"\binput\s*:", inside) is not None or not package.has(*_SERVERS)


def sapper(package: Package) -> Shape:
    if "sapper export" in package.spelled(package.scripts.get("build", "")):
        return Shape(static="__sapper__/export", why="the build script exports it")
    return Shape(start="node __sapper__/build")


def storybook(package: Package) -> Shape:
    scripts = " ; ".join(package.scripts.values())
    told = re.search(r"(?:build-storybook|storybook\s+build)\b[^;&|]*?\s(?:-o|--output-dir)[= ]([\w./-]+)", scripts)
    return Shape(static=joined("", told.group(1)) if told else "storybook-static")


def parcel(package: Package) -> Shape:
    built = package.spelled(package.scripts.get("build", ""))
    told = re.search(r"(?:--dist-dir|--out-dir|-d)[= ]([\w./-]+)", built)
    return Shape(static=joined("", told.group(1)) if told else "dist", fallback=True)


def rsbuild(package: Package) -> Shape:
    told = re.search(r"\broot\s*:\s*['\"`]([\w./-]+)", block(package.config("rsbuild.config"), "distPath"))
    return Shape(static=joined("", told.group(1)) if told else "dist", fallback=True)


def webpack(package: Package) -> Shape | None:
    built = package.spelled(package.scripts.get("build", ""))
    config = package.config(
        "webpack.config", "webpack.prod", "config/webpack.prod", "webpack.config.prod", "rspack.config"
    )
    if not re.search(r"\b(webpack|rspack)\b", built):
        return None
    told = folder(block(config, "output"), "path")
    return Shape(static=told or "dist", fallback=True)


_TOLD = re.compile(
    r"(?:--out-?dir|--output-?dir|--dist-?dir|--output|-o|-d)[= ](?:\./)?([\w-][\w/-]*)/?(?=[\s;&|]|$)"
    r"|\bmv\s+\S+\s+(?:\./)?([\w-][\w/-]*)/?(?=[\s;&|]|$)|\bmkdir\s+(?:-p\s+)?(?:\./)?([\w-][\w/-]*)"
)
_LIBRARY = re.compile(r"\b(?:tsc|tsup|unbuild|microbundle|bunchee|tsdown|ncc|pkgroll|swc|babel)\b")


def files(package: Package) -> Shape | None:
    """What a build of no framework leaves: where a script serves it from, where it says, or where the page is."""
    built = package.spelled(package.scripts.get("build", ""))
    if not built:
        return None
    served = _served(package)
    if served:
        return served
    told = _TOLD.search(built)
    if told and not _LIBRARY.search(built):
        return Shape(static=next(one for one in told.groups() if one), why="the build script says so")
    page = package.tree.first("public/index.html", "index.html", "dist/index.html", "static/index.html")
    if page:
        return Shape(static=page.rpartition("/")[0] or ".", why=f"{page} is there, and the build makes what it needs")
    return None


def _served(package: Package) -> Shape | None:
    """The folder that a script serves with a program for files."""
    for name in ("start", "serve", "preview", "start:prod"):
        for one in commands(package.spelled(package.scripts.get(name, ""))):
            if one.verb and re.fullmatch(r"[\w./-]+", one.verb) and FILES[0].fits(one):
                return Shape(
                    static=joined("", one.verb) or ".",
                    fallback=bool({"-s", "--single"} & {*one.args}),
                    why=f"the script {name} serves it from there",
                )
    return None


def tool(package: Package, name: str) -> str:
    """How to call a program that is added when the project does not have it."""
    return name if package.has(name) else f"{TOOLS}/node_modules/.bin/{name}"


def missing(package: Package, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if not package.has(name))


def _argument(package: Package, program: str, default: str) -> str:
    """The folder that a build script names: `vitepress build docs` -> `docs`."""
    for script in package.scripts.values():
        found = re.search(rf"\b{program}\s+build(?:\s+(?!-)([\w./-]+))?", script)
        if found:
            return joined("", found.group(1) or "")
    return default
