"""Where a backend keeps things on disk, and the keys that say when they can be used again.

    deps/<scope>/<key>/        a dependency layer: made once, then read only
    artifacts/<scope>/<key>/   the files a build step left
    instances/<deployment>/    one instance's own copy, logs and notes
    caches/<scope>/<tool>/     downloads of package managers; writable by install scripts, hence one per scope
    caches/<scope>/built/      what builds leave for the next ones (kept.py)

A finished folder appears under its name by one rename, so a crash leaves only `*.part` folders, which `sweep` removes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from runners.base import Artifact, BuildFailed, Source


@dataclasses.dataclass(frozen=True, slots=True)
class Folders:
    """All paths below one home."""

    home: Path

    def deps(self, scope: str, key: str) -> Path:
        return self.home / "deps" / scope / key

    def artifact(self, scope: str, key: str) -> Path:
        return self.home / "artifacts" / scope / key

    def instance(self, deployment: str) -> Path:
        return self.home / "instances" / deployment

    def cache(self, scope: str, tool: str) -> Path:
        return self.home / "caches" / scope / tool

    def sweep(self) -> None:
        """Remove what a crash left half made.  Call before anything is built."""
        for kind in ("deps", "artifacts"):
            for part in (self.home / kind).glob("*/*.part"):
                remove(part)
        for part in (self.home / "caches").glob("*/built/*.part"):
            remove(part)


@contextlib.contextmanager
def making(final: Path) -> Iterator[Path]:
    """A folder to fill; it becomes `final` when the block ends well and is removed when not.

    Two that make the same at once: the first rename wins, the other's work is dropped."""
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.parent / f"{final.name}.{uuid.uuid4().hex[:8]}.part"
    part.mkdir()
    try:
        yield part
        try:
            part.rename(final)
        except OSError:
            if not final.exists():
                raise
    finally:
        remove(part)


def deps_key(source: Source, base: str) -> str:
    """Names the dependency layer: what the install step reads, how it runs, and the base (image id, interpreter)."""
    plan, root = source.plan, source.path / source.plan.root
    seen = hashlib.sha256(json.dumps([base, plan.language, plan.version, plan.install]).encode())
    for name in sorted(plan.manifests):
        seen.update(f"\0{name}\0".encode() + read_inside(root, name))
    seen.update(json.dumps(dict(plan.files), sort_keys=True).encode())
    if plan.install_in_tree:
        seen.update(source.tree_hash.encode())
    return seen.hexdigest()[:32]


def is_there(artifact: Artifact) -> bool:
    """Nobody has removed what it consists of.  Blocks."""
    return all(Path(path).is_dir() for path in artifact.folders())


def artifact_key(source: Source, deps: str | None) -> str:
    """Names what a build makes of this tree, this plan and these dependencies, in this trust domain."""
    seen = json.dumps([source.scope, source.tree_hash, source.plan.digest, deps])
    return hashlib.sha256(seen.encode()).hexdigest()[:32]


def directory(source: Source, files: Path, deps: Path | None) -> Artifact:
    """The artifact of a plan that runs from, or serves, a directory."""
    key = artifact_key(source, deps.name if deps else None)
    return Artifact(
        digest=f"sha256:{hashlib.sha256(key.encode()).hexdigest()}",
        kind="directory",
        plan=source.plan.as_json(),
        scope=source.scope,
        path=str(files),
        deps=str(deps) if deps else None,
    )


def lay_manifests(source: Source, into: Path) -> None:
    """Copy what the install step reads (or the whole tree, when the plan says so) into a folder of its own."""
    root = source.path / source.plan.root
    if source.plan.install_in_tree:
        copy_tree(root, into)
    for name in () if source.plan.install_in_tree else source.plan.manifests:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_inside(root, name))
    for name, text in source.plan.files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text)


def read_inside(root: Path, name: str) -> bytes:
    """A file's bytes; a link that leads out of the tree is refused."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BuildFailed(f"{name} leads out of the project", step="detect", hint="Commit the file itself.", path=name)
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildFailed(f"{name} can't be read: {error.strerror}", step="detect", path=name) from error


def copy_tree(source: Path, target: Path) -> None:
    """Copy files, links as links, sharing blocks where the file system can.  `target` may exist."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # cp is several times faster than shutil for many small files
        ["cp", "-RPp", *_REFLINK, f"{source}/.", f"{target}/"], check=True, capture_output=True
    )


def remove(path: Path) -> None:
    """Remove a folder and all below it, also what is read-only; a missing one is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        if path.exists():  # something in it went away while we looked
            _remove_stubborn(path.absolute())
    except (OSError, RecursionError):
        _remove_stubborn(path.absolute())


def _remove_stubborn(path: Path) -> None:
    """Folders without leave to look into, or thousands deep."""
    lock = ["!", "-perm", "-u=rwx"]
    subprocess.run(
        ["find", str(path), "-type", "d", *lock, "-exec", "chmod", "u+rwx", "{}", ";"], check=False, capture_output=True
    )
    subprocess.run(["rm", "-rf", str(path)], check=False, capture_output=True)


_REFLINK = ("--reflink=auto",) if os.uname().sysname == "Linux" else ()
