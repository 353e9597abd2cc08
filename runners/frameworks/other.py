"""Languages that one file gives away.  To add one, add a row."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from runners.base import Plan
from runners.frameworks.tree import Tree, folder_of

_GO_VERSION = re.compile(r"^go\s+(\d+\.\d+)", re.MULTILINE)
_SERVES = re.compile(r"""['"](rails|sinatra|jekyll|rack|puma|hanami)['"]""")  # gems of a Gemfile that is no mere tool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`markers` are files at the root, any of them; its text must have `wants`; `words` in it name the framework."""

    language: str
    markers: tuple[str, ...]
    wants: re.Pattern[str] = re.compile("")
    words: tuple[tuple[str, str], ...] = ()
    manager: str | None = None
    locks: tuple[str, ...] = ()
    build: Callable[[Tree], str | None] = lambda tree: None
    start: Callable[[Tree], str | None]
    port: int = 8080


def _go_build(tree: Tree) -> str:
    """Build the package that has main(): the root's, or one below that serves."""
    mains = [name for name in tree.ending(".go", depth=3) if "func main()" in tree.text(name)]
    mains.sort(key=lambda name: (bool(folder_of(name)), not re.search(r"http|Listen", tree.text(name)), name))
    package = f"./{folder_of(mains[0])}" if mains and folder_of(mains[0]) else "."
    return f"go build -o server {package}"


def _cargo_start(tree: Tree) -> str | None:
    package = tree.toml("Cargo.toml").get("package")
    name = package.get("name") if isinstance(package, dict) else None
    return f"./target/release/{name}" if isinstance(name, str) and re.fullmatch(r"[\w-]+", name) else None


def _ruby_start(tree: Tree) -> str | None:
    if tree.has("bin/rails"):
        return "bundle exec rails server -b $HOST -p $PORT"
    return "bundle exec rackup --host $HOST --port $PORT" if tree.has("config.ru") else None


def _php_start(tree: Tree) -> str:
    return f"php -S $HOST:$PORT -t {'public' if tree.has('public/index.php') else '.'}"


def _java_build(tree: Tree) -> str:
    if tree.has("pom.xml"):
        return f"{'./mvnw' if tree.has('mvnw') else 'mvn'} -B -DskipTests package"
    return f"{'./gradlew' if tree.has('gradlew') else 'gradle'} build -x test"


def _java_start(tree: Tree) -> str:
    folder = "target" if tree.has("pom.xml") else "build/libs"
    return f'java -jar "$(ls {folder}/*.jar | grep -v -e plain -e sources | head -n 1)" --server.port=$PORT'


ROWS: tuple[Row, ...] = (
    Row(
        language="go",
        markers=("go.mod",),
        words=(("gin-gonic/gin", "gin"), ("labstack/echo", "echo"), ("gofiber/fiber", "fiber"), ("go-chi/chi", "chi")),
        manager="go",
        locks=("go.sum",),
        build=_go_build,
        start=lambda tree: "./server",
    ),
    Row(
        language="rust",
        markers=("Cargo.toml",),
        wants=re.compile(r"^\[package\]", re.MULTILINE),
        words=(("axum", "axum"), ("actix-web", "actix"), ("rocket", "rocket"), ("warp", "warp")),
        manager="cargo",
        locks=("Cargo.lock",),
        build=lambda tree: "cargo build --release",
        start=_cargo_start,
    ),
    Row(
        language="ruby",
        markers=("Gemfile",),
        wants=_SERVES,
        words=(("rails", "rails"), ("sinatra", "sinatra"), ("hanami", "hanami"), ("jekyll", "jekyll")),
        manager="bundler",
        locks=("Gemfile.lock",),
        start=_ruby_start,
        port=3000,
    ),
    Row(
        language="php",
        markers=("composer.json", "index.php", "public/index.php"),
        words=(("laravel/framework", "laravel"), ("symfony/framework-bundle", "symfony"), ("slim/slim", "slim")),
        manager="composer",
        locks=("composer.lock",),
        start=_php_start,
    ),
    Row(
        language="java",
        markers=("pom.xml", "build.gradle", "build.gradle.kts"),
        words=(("spring-boot", "spring"), ("quarkus", "quarkus"), ("micronaut", "micronaut"), ("ktor", "ktor")),
        build=_java_build,
        start=_java_start,
    ),
    Row(
        language="elixir",
        markers=("mix.exs",),
        words=(("phoenix", "phoenix"),),
        manager="mix",
        locks=("mix.lock",),
        start=lambda tree: "mix phx.server",
        port=4000,
    ),
    Row(
        language="deno",
        markers=("deno.json", "deno.jsonc"),
        words=(("fresh", "fresh"), ("@oak/oak", "oak"), ("hono", "hono")),
        manager="deno",
        locks=("deno.lock",),
        start=lambda tree: "deno task start",
        port=8000,
    ),
)


def detect(tree: Tree) -> Plan | None:
    for row in ROWS:
        marker = tree.first(*row.markers)
        if marker and row.wants.search(tree.text(marker)):
            return _plan(tree, row, marker)
    return _dotnet(tree)


def _plan(tree: Tree, row: Row, marker: str) -> Plan:
    text = tree.text(marker)
    framework = next((name for word, name in row.words if word in text), None)
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
        build=row.build(tree),
        start=row.start(tree),
        why=why,
    )


def _dotnet(tree: Tree) -> Plan | None:
    project = next(tree.ending(".csproj", ".fsproj", depth=1), None)
    if project is None:
        return None
    framework = "aspnet" if "Microsoft.NET.Sdk.Web" in tree.text(project) else None
    why = {"language": f"{project} is there"}
    start = "dotnet run --no-launch-profile --urls http://$HOST:$PORT"
    return Plan(language="dotnet", kind="server", framework=framework, port=8080, start=start, why=why)
