"""A tree's files on disk, exactly as git holds them: written fresh, or from the tree next to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from bot.errors import SourceUnavailable
from bot.sources.git import Git, GitFailed

FEW = 500  # files: below, writing them afresh is faster than three more runs of git
MUCH = 0.2  # changed share of a tree above which it is written afresh
LEFT_OVER = ".making-"  # prefix of folders that are being made or removed

# Above every .gitattributes: no line ends, no encodings, no $Id$, no filters, so that one tree hash is one content.
RAW = "* -text !eol -ident -filter !working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees."""

    path: bytes
    before: bool  # it was there
    after: bool  # it is there


async def write(git: Git, mirror: Path, tree: str, files: int, folder: Path) -> Path:
    """`folder`/`tree`, appearing by one rename.  Raises SourceUnavailable for names that no disk takes."""
    path = folder / tree
    making = folder / f"{LEFT_OVER}{secrets.token_hex(6)}"
    making.mkdir(parents=True)
    try:
        near = await asyncio.to_thread(_newest, folder) if files >= FEW else None
        if near is None or not await _from_near(git, mirror, near, tree, files, making / "tree"):
            await _afresh(git, mirror, tree, making)
        _settle(making / "tree", path)
    except GitFailed as failure:
        said = failure.words.splitlines()[-1:] or ["no reason given"]
        raise SourceUnavailable(f"The files can't be written: {said[0][:300]}") from failure
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, making, ignore_errors=True))
    return path


async def _afresh(git: Git, mirror: Path, tree: str, making: Path) -> None:
    work_tree = making / "tree"
    _folder(work_tree)
    await git("read-tree", "--reset", "-u", tree, repository=mirror, index=making / "index", work_tree=work_tree)


async def _from_near(git: Git, mirror: Path, near: Path, tree: str, files: int, work_tree: Path) -> bool:
    """Hard links to a tree that is there, then what differs.  Trees are never written to, so files can be shared."""
    changes = await _changes(git, mirror, near.name, tree)
    if changes is None or len(changes) > MUCH * files:
        return False
    index = work_tree.parent / "index"
    await asyncio.gather(
        asyncio.to_thread(_link, str(near), str(work_tree)),
        git("read-tree", tree, repository=mirror, index=index),
    )
    await asyncio.to_thread(_remove, work_tree, [os.fsdecode(change.path) for change in changes if change.before])
    wanted = b"".join(change.path + b"\0" for change in changes if change.after)
    arguments = ("checkout-index", "-z", "--stdin", "--force", "--quiet")
    await git(*arguments, repository=mirror, index=index, work_tree=work_tree, stdin=wanted)
    return True


async def _changes(git: Git, mirror: Path, near: str, tree: str) -> list[Change] | None:
    try:
        out = await git("diff-tree", "-r", "-z", "--no-renames", "--name-status", near, tree, repository=mirror)
    except GitFailed:  # the near tree's objects are gone: it cannot be compared
        return None
    fields = out.split(b"\0")[:-1]
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [Change(path, before=status != b"A", after=status != b"D") for status, path in pairs]


def _newest(folder: Path) -> Path | None:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    newest = max(found, key=lambda entry: entry.stat().st_mtime, default=None)
    return Path(newest.path) if newest else None


def _link(source: str, target: str) -> None:
    _folder(Path(target))
    with os.scandir(source) as entries:
        for entry in entries:
            place = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _link(entry.path, place)
            else:
                _link_file(entry.path, place)


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links, or one file in 65,000 trees
        shutil.copy2(source, target, follow_symlinks=False)


def _folder(path: Path) -> None:
    """As git makes them, whatever the mask of this process: builds may run as somebody else."""
    path.mkdir()
    path.chmod(0o755)


def _settle(tree: Path, path: Path) -> None:
    try:
        tree.rename(path)
    except OSError:
        if not path.is_dir():  # otherwise another process was faster, with the same files
            raise


def _remove(root: Path, paths: list[str]) -> None:
    """Files and folders that became empty.  The tree is a copy of the one that the paths are of: no link leads out."""
    folders: set[Path] = set()
    for place in (root / path for path in paths):
        with contextlib.suppress(FileNotFoundError):
            if place.is_dir() and not place.is_symlink():
                place.rmdir()  # a submodule's
            else:
                place.unlink()
        folders.update(place.parents)
    inside = [folder for folder in folders if folder.is_relative_to(root) and folder != root]
    for folder in sorted(inside, key=lambda folder: len(folder.parts), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
