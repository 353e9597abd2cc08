"""Languages that one file gives away and one command line builds.  To add one, add a row."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`markers` are files at the root, any of them; `words` in it name the framework and say that it serves.

    `start` and `build` are templates of {name}, what `named` finds in the marker."""

    language: str
    markers: tuple[str, ...]
    words: tuple[tuple[str, str], ...] = ()
    named: re.Pattern[str] = re.compile(r"^name\s*[:=]\s*[\"']?([\w-]+)", re.MULTILINE)
    serves: re.Pattern[str] = re.compile(r"(?i)http|socket|serve")
    sources: tuple[str, ...] = ()
    manager: str | None = None
    locks: tuple[str, ...] = ()
    entry: Callable[[Tree, str], str | None] = lambda tree, name: None
    build: str | None = None
    start: str
    port: int = 8080


ROWS: tuple[Row, ...] = (
    Row(
        language="gleam",
        markers=("gleam.toml",),
        words=(("wisp", "wisp"), ("mist", "mist")),
        sources=(".gleam",),
        manager="gleam",
        locks=("manifest.toml",),
        entry=lambda tree, name: tree.first(f"src/{name}.gleam"),
        build="gleam build",
        start="gleam run",
    ),
    Row(
        language="dart",
        markers=("pubspec.yaml",),
        words=(("dart_frog", "dart-frog"), ("shelf", "shelf"), ("serverpod", "serverpod")),
        sources=(".dart",),
        manager="pub",
        locks=("pubspec.lock",),
        entry=lambda tree, name: tree.first("bin/server.dart", f"bin/{name}.dart", "bin/main.dart"),
        build="dart pub get && dart compile exe {entry} -o server",
        start="./server",
    ),
    Row(
        language="swift",
        markers=("Package.swift",),
        words=(("vapor", "vapor"), ("hummingbird", "hummingbird")),
        named=re.compile(r"\.(?:executableTarget|executable)\(\s*name:\s*\"([\w-]+)\""),
        sources=(".swift",),
        manager="swift",
        locks=("Package.resolved",),
        entry=lambda tree, name: tree.first(f"Sources/{name}/main.swift", f"Sources/{name}/entrypoint.swift"),
        build="swift build -c release",
        start="./.build/release/{name}",
    ),
    Row(
        language="crystal",
        markers=("shard.yml",),
        words=(("kemal", "kemal"), ("amber", "amber"), ("lucky", "lucky")),
        sources=(".cr",),
        manager="shards",
        locks=("shard.lock",),
        entry=lambda tree, name: tree.first(f"src/{name}.cr", "src/main.cr", "src/server.cr"),
        build="shards install --production && mkdir -p bin && crystal build --release -o bin/{name} {entry}",
        start="./bin/{name}",
        port=3000,
    ),
    Row(
        language="scala",
        markers=("build.sbt",),
        words=(("PlayScala", "play"), ("http4s", "http4s"), ("akka-http", "akka"), ("zio-http", "zio-http")),
        named=re.compile(r"\bname\s*:=\s*\"([\w-]+)\""),
        sources=(".scala",),
        manager="sbt",
        build="sbt stage",
        start="./target/universal/stage/bin/{name}",
        port=9000,
    ),
    Row(
        language="clojure",
        markers=("project.clj",),
        words=(("ring/ring", "ring"), ("http-kit", "http-kit"), ("compojure", "compojure")),
        named=re.compile(r"\(defproject\s+([\w-]+)"),
        sources=(".clj",),
        manager="leiningen",
        build="lein uberjar",
        start='java -jar "$(ls -S target/*.jar target/uberjar/*.jar 2>/dev/null | head -n 1)"',
        port=3000,
    ),
    Row(
        language="haskell",
        markers=("stack.yaml", "package.yaml"),
        words=(("scotty", "scotty"), ("servant-server", "servant"), ("yesod", "yesod")),
        sources=(".hs",),
        manager="stack",
        build="stack build --copy-bins --local-bin-path bin",
        start="./bin/{name}",
        port=3000,
    ),
    Row(
        language="zig",
        markers=("build.zig",),
        sources=(".zig",),
        named=re.compile(r"\.name\s*=\s*\"([\w-]+)\""),
        manager="zig",
        entry=lambda tree, name: tree.first("src/main.zig"),
        build="zig build -Doptimize=ReleaseSafe",
        start="./zig-out/bin/{name}",
    ),
)


def detect(tree: Tree) -> Plan | None:
    if tree.has("pubspec.yaml") and "flutter:" in tree.text("pubspec.yaml"):
        return _flutter(tree)
    return next((_plan(tree, row, marker) for row in ROWS if (marker := tree.first(*row.markers))), None)


def _flutter(tree: Tree) -> Plan:
    """An app for many screens: what it shows in a browser."""
    return Plan(
        language="dart",
        kind="static",
        framework="flutter",
        package_manager="pub",
        entry=tree.first("lib/main.dart"),
        static_dir="build/web",
        fallback=True,
        version=clues.version_tool(tree, "flutter"),
        manifests=tree.there("pubspec.yaml", "pubspec.lock"),
        install=("flutter pub get",),
        build="flutter build web --release",
        why={"language": "pubspec.yaml is there", "framework": "pubspec.yaml names flutter"},
    )


def _plan(tree: Tree, row: Row, marker: str) -> Plan:
    text = tree.text(marker)
    name = _name(row, text)
    framework = clues.framework(row.words, text)
    entry = row.entry(tree, name)
    build, start = _lines(row, {"name": name, "entry": entry or ""})
    return Plan(
        language=row.language,
        kind="server" if framework or _listens(tree, row) else "cli",
        framework=framework,
        package_manager=row.manager,
        entry=entry,
        port=clues.port_in(tree.text(entry or ""), row.port),
        version=clues.version_tool(tree, row.language),
        manifests=tree.there(*row.markers, *row.locks),
        build=build,
        start=start,
        why=clues.evidence(language=f"{marker} is there", framework=framework and f"{marker} names {framework}"),
    )


def _name(row: Row, text: str) -> str:
    found = row.named.search(text)
    return next((group for group in found.groups() if group), "") if found else ""


def _listens(tree: Tree, row: Row) -> bool:
    return bool(row.sources) and clues.mentions(tree, clues.sources(tree, *row.sources), row.serves) is not None


def _lines(row: Row, known: Mapping[str, str]) -> tuple[str | None, str | None]:
    """How it is built and started; not at all while a word that the lines want is not known."""
    if not all(word for key, word in known.items() if f"{{{key}}}" in f"{row.build}{row.start}"):
        return None, None
    return row.build.format(**known) if row.build else None, row.start.format(**known)
