"""Rust: a package or a workspace; of several binaries the default one, or the one that serves."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree, folder_of, stem

FRAMEWORKS = (
    ("axum", "axum"),
    ("actix-web", "actix"),
    ("rocket", "rocket"),
    ("warp", "warp"),
    ("poem", "poem"),
    ("salvo", "salvo"),
    ("tide", "tide"),
)
_PORTS: Mapping[str | None, int] = {"axum": 3000, "rocket": 8000, "warp": 3030, "poem": 3000}
_SERVERS = frozenset({"hyper", "tiny_http", "rouille", "tonic", "gotham", "ntex", "viz", "loco-rs"})
_SERVES = re.compile(r"TcpListener|HttpServer|axum::|warp::serve|rocket::|#\[launch\]")
_NAME = re.compile(r"[\w-]+")


@dataclasses.dataclass(frozen=True, slots=True)
class _Program:
    """One binary of one package."""

    name: str
    package: str
    file: str
    depends: frozenset[str]
    chosen: bool  # the package's default-run


def detect(tree: Tree) -> Plan | None:
    programs = [one for manifest in _manifests(tree) for one in _programs(tree, manifest)]
    if not programs:
        return None
    program = min(programs, key=lambda one: (not _serves(tree, one), not one.chosen, one.name != one.package))
    framework = clues.framework(FRAMEWORKS, program.depends)
    # Somebody's own start line looks where cargo puts programs; else the large folder stays with the next build.
    stays = "target/" in tree.text("Procfile")
    made = f"./target/release/{program.name}"
    output = made if stays else f"./{clues.program(tree)}"
    which = f" --package {program.package} --bin {program.name}" if len(programs) > 1 else ""
    told = "ROCKET_ADDRESS=$HOST ROCKET_PORT=$PORT " if framework == "rocket" else ""
    return Plan(
        language="rust",
        kind="server" if framework or _serves(tree, program) else "cli",
        framework=framework,
        package_manager="cargo",
        entry=program.file,
        port=clues.port_in(tree.text(program.file), _PORTS.get(framework, 8080)),
        version=_version(tree),
        manifests=tree.there("Cargo.toml", "Cargo.lock"),
        build=f"cargo build --release{which}" + ("" if stays else f" && cp {made} {output}"),
        caches=() if stays else ("target",),
        start=f"{told}{output}",
        why=clues.evidence(
            language="Cargo.toml is there",
            entry=f"{program.file} is the binary {program.name}",
            framework=framework and f"Cargo.toml names {framework}",
        ),
    )


def _manifests(tree: Tree) -> list[str]:
    """The root's, and those of a workspace's members: whatever has a package below."""
    if not tree.has("Cargo.toml"):
        return []
    if not isinstance(tree.toml("Cargo.toml").get("workspace"), dict):
        return ["Cargo.toml"]
    return [name for name in tree.ending("Cargo.toml", depth=3) if name.rpartition("/")[2] == "Cargo.toml"][:30]


def _programs(tree: Tree, manifest: str) -> list[_Program]:
    told, folder = tree.toml(manifest), folder_of(manifest)
    package = _table(told.get("package"))
    name = package.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return []
    place = f"{folder}/" if folder else ""
    files = _usual(tree, place, name)
    for each in _tables(told.get("bin")):
        files = _declared(tree, place, name, files, each)
    depends, chosen = frozenset(_table(told.get("dependencies"))), package.get("default-run")
    named = (key for key in sorted(files) if _NAME.fullmatch(key))
    return [_Program(key, name, files[key], depends, key == chosen) for key in named]


def _usual(tree: Tree, place: str, package: str) -> dict[str, str]:
    """The files that cargo makes programs of without being told, by the program's name."""
    main = f"{place}src/main.rs"
    found = {package: main} if tree.has(main) else {}
    for file in tree.ending(".rs", depth=place.count("/") + 3):
        inside = file.removeprefix(f"{place}src/bin/")
        folder, _, rest = inside.partition("/")
        if inside != file and (not rest or inside.endswith("/main.rs")):
            found[folder if rest else stem(inside)] = file
    return found


def _declared(
    tree: Tree, place: str, package: str, files: Mapping[str, str], told: Mapping[str, Any]
) -> dict[str, str]:
    """The same files with one more `[[bin]]`: at its path, else the package's own under another name."""
    name, path, main = told.get("name"), told.get("path"), f"{place}src/main.rs"
    if isinstance(name, str) and isinstance(path, str):
        return {**{key: file for key, file in files.items() if file != place + path}, name: place + path}
    if isinstance(name, str) and tree.has(main) and name not in files:
        return {**{key: file for key, file in files.items() if key != package}, name: main}
    return dict(files)


def _serves(tree: Tree, program: _Program) -> bool:
    words = {word for word, _ in FRAMEWORKS}
    if _SERVES.search(tree.text(program.file)):
        return True
    return not program.depends.isdisjoint(words | _SERVERS) and program.file.endswith("src/main.rs")


def _version(tree: Tree) -> str | None:
    channel = _table(tree.toml("rust-toolchain.toml").get("toolchain")).get("channel")
    if isinstance(channel, str):
        found = clues.NUMBER.match(channel)
        return found.group() if found else None
    return clues.version_file(tree, "rust-toolchain") or clues.version_tool(tree, "rust")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
