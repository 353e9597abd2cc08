"""Rust: a package or a workspace; of several binaries the default one, or the one that serves."""

from __future__ import annotations

import dataclasses
import re
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
_PORTS = {"axum": 3000, "rocket": 8000, "warp": 3030, "poem": 3000}
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
    if not tree.has("Cargo.toml"):
        return None
    programs = [one for manifest in _manifests(tree) for one in _programs(tree, manifest)]
    if not programs:
        return None
    program = min(programs, key=lambda one: (not _serves(tree, one), not one.chosen, one.name != one.package))
    framework = next((name for word, name in FRAMEWORKS if word in program.depends), None)
    serves = bool(framework) or _serves(tree, program)
    why = {"language": "Cargo.toml is there", "entry": f"{program.file} is the binary {program.name}"}
    if framework:
        why["framework"] = f"Cargo.toml names {framework}"
    # Somebody's own start line looks where cargo puts programs; else the large folder stays with the next build.
    stays = "target/" in tree.text("Procfile")
    made = f"./target/release/{program.name}"
    output = made if stays else f"./{clues.program(tree)}"
    which = f" --package {program.package} --bin {program.name}" if len(programs) > 1 else ""
    told = "ROCKET_ADDRESS=$HOST ROCKET_PORT=$PORT " if framework == "rocket" else ""
    return Plan(
        language="rust",
        kind="server" if serves else "cli",
        framework=framework,
        package_manager="cargo",
        entry=program.file,
        port=clues.port_in(tree.text(program.file), _PORTS.get(framework or "", 8080)),
        version=_version(tree),
        manifests=tuple(name for name in ("Cargo.toml", "Cargo.lock") if tree.has(name)),
        build=f"cargo build --release{which}" + ("" if stays else f" && cp {made} {output}"),
        caches=() if stays else ("target",),
        start=f"{told}{output}",
        why=why,
    )


def _manifests(tree: Tree) -> list[str]:
    """The root's, and those of a workspace's members: whatever has a package below."""
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
    depends = frozenset({*_table(told.get("dependencies"))})
    found = {name: f"{place}src/main.rs"} if tree.has(f"{place}src/main.rs") else {}
    for file in tree.ending(".rs", depth=manifest.count("/") + 3):
        inside = file.removeprefix(f"{place}src/bin/")
        if inside != file and (inside.count("/") == 0 or inside.endswith("/main.rs")):
            found[stem(inside) if "/" not in inside else inside.split("/")[0]] = file
    for each in _tables(told.get("bin")):
        bin_name, path = each.get("name"), each.get("path")
        if isinstance(bin_name, str) and isinstance(path, str):
            found = {key: file for key, file in found.items() if file != place + path}
            found[bin_name] = place + path
        elif isinstance(bin_name, str) and tree.has(f"{place}src/main.rs") and bin_name not in found:
            found = {key: file for key, file in found.items() if key != name}
            found[bin_name] = f"{place}src/main.rs"
    chosen = package.get("default-run")
    return [
        _Program(key, name, file, depends, key == chosen) for key, file in sorted(found.items()) if _NAME.fullmatch(key)
    ]


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
