"""Languages that one file gives away.  To add one, add a row."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from runners.base import Plan
from runners.frameworks.tree import Tree, folder_of

_GO_VERSION = re.compile(r"^go\s+(\d+\.\d+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`markers` are files at the root (any of them); `wants` must be in their text; `words` name the framework."""

    language: str
    markers: tuple[str, ...]
    wants: str = ""
    words: tuple[tuple[str, str], ...] = ()  # what the marker says -> framework
    manager: str | None = None
    build: str | None = None
    start: str | Callable[[Tree], str | None] | None = None
    locks: tuple[str, ...] = ()
    port: int = 8080


def _go_build(tree: Tree) -> str:
    """The package that has main(): the root, or the first below cmd/ that serves."""
    mains = [n for n in tree.ending(".go", depth=3) if "func main()" in tree.text(n)]
    mains.sort(key=lambda name: (bool(folder_of(name)), not re.search(r"http|Listen", tree.text(name)), name))
    return f"./{folder_of(mains[0])}" if mains and folder_of(mains[0]) else "."


ROWS: tuple[Row, ...] = (
    Row(language="go", markers=("go.mod",), manager="go", locks=("go.sum",), start="./server",
        words=(("gin-gonic/gin", "gin"), ("labstack/echo", "echo"), ("gofiber/fiber", "fiber"), ("go-chi/chi", "chi"))),
    Row(language="rust", markers=("Cargo.toml",), wants="[package]", manager="cargo", locks=("Cargo.lock",),
        build="cargo build --release", start=lambda tree: _cargo(tree),
        words=(("axum", "axum"), ("actix-web", "actix"), ("rocket", "rocket"), ("warp", "warp"))),
    Row(language="ruby", markers=("config.ru", "Gemfile"), manager="bundler", locks=("Gemfile.lock", "Gemfile"), port=3000,
        start=lambda tree: "bundle exec rails server -b $HOST -p $PORT" if tree.has("bin/rails")
        else "bundle exec rackup --host $HOST --port $PORT" if tree.has("config.ru") else None,
        words=(("rails", "rails"), ("sinatra", "sinatra"), ("hanami", "hanami"), ("jekyll", "jekyll"))),
    Row(language="php", markers=("composer.json", "index.php", "public/index.php"), manager="composer", locks=("composer.lock",),
        start=lambda tree: f"php -S $HOST:$PORT -t {'public' if tree.has('public/index.php') else '.'}",
        words=(("laravel/framework", "laravel"), ("symfony/framework-bundle", "symfony"), ("slim/slim", "slim"))),
    Row(language="java", markers=("pom.xml", "build.gradle", "build.gradle.kts"), start="java -jar app.jar",
        words=(("spring-boot", "spring"), ("quarkus", "quarkus"), ("micronaut", "micronaut"), ("ktor", "ktor"))),
    Row(language="elixir", markers=("mix.exs",), manager="mix", locks=("mix.lock",), start="mix phx.server", port=4000,
        words=(("phoenix", "phoenix"),)),
    Row(language="deno", markers=("deno.json", "deno.jsonc"), manager="deno", locks=("deno.lock",), start="deno task start",
        port=8000, words=(("fresh", "fresh"), ("@oak/oak", "oak"), ("hono", "hono"))),
)  # fmt: skip


def detect(tree: Tree) -> Plan | None:
    for row in ROWS:
        marker = tree.first(*row.markers)
        if marker is None or row.wants not in tree.text(marker):
            continue
        if marker == "Gemfile" and not re.search(
            r"['\"](rails|sinatra|jekyll|rack|puma|hanami)['\"]", tree.text(marker)
        ):
            continue
        return _plan(tree, row, marker)
    return _dotnet(tree)


def _plan(tree: Tree, row: Row, marker: str) -> Plan:
    text = "\n".join(tree.text(name) for name in (*row.markers, *row.locks[1:]))
    framework, build = next((name for word, name in row.words if word in text), None), row.build
    if row.language == "go":
        build = f"go build -o server {_go_build(tree)}"
    asked = _GO_VERSION.search(text) if row.language == "go" else None
    why = {"language": f"{marker} is there"}
    if framework:
        why["framework"] = f"{marker} names {framework}"
    return Plan(
        language=row.language,
        kind="server",
        framework=framework,
        package_manager=row.manager,
        port=row.port,
        version=asked.group(1) if asked else None,
        manifests=tuple(name for name in (*row.markers, *row.locks) if tree.has(name)),
        build=build,
        start=row.start(tree) if callable(row.start) else row.start,
        why=why,
    )


def _cargo(tree: Tree) -> str | None:
    package = tree.toml("Cargo.toml").get("package")
    name = package.get("name") if isinstance(package, dict) else None
    return f"./target/release/{name}" if isinstance(name, str) and re.fullmatch(r"[\w-]+", name) else None


def _dotnet(tree: Tree) -> Plan | None:
    project = next(tree.ending(".csproj", ".fsproj", depth=1), None)
    if project is None:
        return None
    framework = "aspnet" if "Microsoft.NET.Sdk.Web" in tree.text(project) else None
    why = {"language": f"{project} is there"}
    start = "dotnet run --no-launch-profile --urls http://$HOST:$PORT"
    return Plan(language="dotnet", kind="server", framework=framework, port=8080, start=start, why=why)
