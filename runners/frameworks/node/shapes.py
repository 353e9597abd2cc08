"""What a framework's build leaves, where that depends on its settings: a folder of files, or a server."""

from __future__ import annotations

import dataclasses
import re

from runners.frameworks.node.package import Package


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """`static` is the folder to serve; None is a server that `start` starts (None: the project's own program)."""

    static: str | None = None
    start: str | None = None
    fallback: bool = False
    why: str = ""
    env: str = ""  # set in front of the build line
    build_args: str = ""  # added to the build line


def next_(package: Package) -> Shape:
    config = package.config("next.config")
    built = package.spelled(package.scripts.get("build", ""))
    folder = _setting(config, "distDir")
    if re.search(r"\boutput\s*:\s*['\"`]export['\"`]", config) or re.search(r"\bnext\s+export\b", built):
        return Shape(static=folder or "out", why="next.config says output: export")
    return Shape(start="next start -H $HOST -p $PORT")


def nuxt(package: Package) -> Shape:
    built = package.spelled(package.scripts.get("build", ""))
    if re.search(r"\bnu(xt|xi)\s+generate\b|\bnuxt\s+build\s+.*--prerender", built):
        return Shape(static=".output/public", why="the build script generates a static site")
    return Shape(start="node .output/server/index.mjs", env="NITRO_PRESET=node-server")


def nitro(package: Package) -> Shape:
    return Shape(start="node .output/server/index.mjs", env="NITRO_PRESET=node-server SERVER_PRESET=node-server")


def react_router(package: Package) -> Shape:
    if re.search(r"\bssr\s*:\s*false\b", package.config("react-router.config")):
        return Shape(static="build/client", fallback=True, why="react-router.config says ssr: false")
    return Shape(start="react-router-serve ./build/server/index.js")


def remix(package: Package) -> Shape:
    if re.search(r"\bssr\s*:\s*false\b", package.config("vite.config")):
        return Shape(static="build/client", fallback=True, why="vite.config says ssr: false")
    new = "vite:build" in package.scripts.get("build", "vite:build")
    return Shape(start=f"remix-serve ./build/{'server/index.js' if new else 'index.js'}")


def sveltekit(package: Package) -> Shape:
    config = package.config("svelte.config")
    if package.has("@sveltejs/adapter-static") and ("adapter-static" in config or not config):
        page = re.search(r"\bpages\s*:\s*['\"`]([\w./-]+)", config)
        spa = re.search(r"\bfallback\s*:", config) is not None
        return Shape(static=page.group(1) if page else "build", fallback=spa, why="it uses adapter-static")
    if package.has("@sveltejs/adapter-node"):
        return Shape(start=f"node {_setting(config, 'out') or 'build'}", why="it uses adapter-node")
    # adapter-auto installs adapter-node by itself when it believes to be in a buildpack
    return Shape(start="node build", env="GCP_BUILDPACKS=true", why="adapter-auto is made to choose adapter-node")


def astro(package: Package) -> Shape:
    config = package.config("astro.config")
    folder = _setting(config, "outDir") or "dist"
    if package.has("@astrojs/node"):
        return Shape(start=f"node ./{folder}/server/entry.mjs", why="it uses @astrojs/node")
    return Shape(static=folder)


def angular(package: Package) -> Shape:
    projects = package.tree.json("angular.json").get("projects")
    for name, project in projects.items() if isinstance(projects, dict) else ():
        try:
            target = project["architect"]["build"]
            options, builder = target["options"], str(target["builder"])
            out = options.get("outputPath", f"dist/{name}")
        except (LookupError, TypeError):
            continue
        modern = builder.endswith(":application")
        base, browser = (
            (out.get("base", f"dist/{name}"), out.get("browser", "browser"))
            if isinstance(out, dict)
            else (out, "browser")
        )
        if modern and ("ssr" in options or "server" in options) and options.get("outputMode") != "static":
            return Shape(start=f"node {base}/server/server.mjs", why="angular.json names a server")
        return Shape(
            static=f"{base}/{browser}" if modern and browser else str(base),
            fallback=True,
            why="angular.json says where",
        )
    return Shape(static=f"dist/{package.raw.get('name', 'app')}", fallback=True)


def vitepress(package: Package) -> Shape:
    return Shape(static=f"{_argument(package, 'vitepress', 'docs')}/.vitepress/dist".removeprefix("./"))


def vuepress(package: Package) -> Shape:
    return Shape(static=f"{_argument(package, 'vuepress', 'docs')}/.vuepress/dist".removeprefix("./"))


def eleventy(package: Package) -> Shape:
    config = package.config(".eleventy", "eleventy.config")
    told = re.search(r"--output[= ]([\w./-]+)", package.spelled(package.scripts.get("build", "")))
    return Shape(static=(told.group(1) if told else None) or _setting(config, "output") or "_site")


def nest(package: Package) -> Shape:
    root = package.tree.json("nest-cli.json").get("sourceRoot")
    entry = package.tree.json("nest-cli.json").get("entryFile", "main")
    nested = root == "src" and package.tree.first("src/main.ts") is None
    return Shape(
        start=f"node dist/{'src/' if nested else ''}{entry}", why="what nest build leaves; nest start is for developing"
    )


def vite(package: Package) -> Shape:
    config = package.config("vite.config")
    build = re.search(r"\bbuild\s*:\s*\{(.*)", config, re.DOTALL)
    folder = _setting(build.group(1), "outDir") if build else None
    told = re.search(r"--outDir[= ]([\w./-]+)", package.spelled(package.scripts.get("build", "")))
    below = _setting(config, "root")
    out = (told.group(1) if told else folder) or "dist"
    if below and not told:
        out = _joined(below, out)
    moved = re.search(r"\bbase\s*:[^,}\n]{0,80}['\"`]/[\w-]", config)
    return Shape(
        static=out.removeprefix("./").rstrip("/"),
        fallback=True,
        why="vite.config says so" if folder or below else "Vite's own default",
        build_args="--base=/" if moved else "",
    )


def webpack(package: Package) -> Shape:
    config = package.config("webpack.config", "webpack.prod", "config/webpack.prod", "webpack.config.prod")
    found = re.search(r"\bpath\s*:\s*path\.(?:resolve|join)\(\s*__dirname\s*,\s*['\"`]([\w./-]+)['\"`]", config)
    return Shape(static=found.group(1).removeprefix("./") if found else "dist", fallback=True)


def _setting(code: str, name: str) -> str | None:
    found = re.search(rf"\b{name}\s*:\s*['\"`](?:\./)?([\w@./-]+?)/?['\"`]", code)
    return found.group(1) if found else None


def _argument(package: Package, program: str, default: str) -> str:
    """The folder that a build script names: `vitepress build docs` -> `docs`."""
    for script in package.scripts.values():
        found = re.search(rf"\b{program}\s+build(?:\s+(?!-)([\w./-]+))?", script)
        if found:
            return (found.group(1) or ".").rstrip("/")
    return default


def _joined(base: str, path: str) -> str:
    parts: list[str] = []
    for part in f"{base}/{path}".split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or "dist"
