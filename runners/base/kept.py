"""What a build leaves for the next one of the same project to be faster: the folders that its plan names.

    caches/<scope>/built/<key>/0, 1, ...   one for each folder, in the order of the plan
    caches/<scope>/built/<key>.lock

They are a convenience: one that can't be read, or is too large, is as good as none."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from runners.base import BuildFailed, Log, Source
from runners.base.folders import Folders, copy_tree, remove

AGAIN = "The build failed with what an earlier one had kept: trying without it.\n"
MOST_BYTES = 512 * 1024 * 1024  # of all folders of one plan
MOST_FILES = 100_000
MOST_PLANS = 6  # of one trust domain, those built last: each push may name another
# A build that failed for one of these reasons fails without them too.
_OWN_FAULTS = ("ran out of memory", "was ended by")


class Kept:
    """The folders of one plan, in one trust domain.  Its methods block."""

    def __init__(self, folders: Folders, source: Source) -> None:
        plan = source.plan
        said = [plan.root, plan.language, plan.framework, plan.package_manager, plan.caches]
        self._key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
        self.names = tuple(name for name in plan.caches if ".." not in Path(name).parts)
        self._home = folders.cache(source.scope, "built")
        self._final = self._home / self._key
        self._given = False
        self._refused = False

    def give(self, places: Mapping[str, Path], top: Path) -> bool:
        """Put what was kept where the build looks for it; `places` are below `top`."""
        self._given = False
        if self._refused or not self._final.is_dir():
            return False
        with contextlib.suppress(OSError), self._alone(fcntl.LOCK_SH):
            for number, name in enumerate(self.names):
                self._give(self._final / str(number), places[name], top)
        return self._given

    def _give(self, kept: Path, place: Path, top: Path) -> None:
        if not kept.is_dir() or kept.is_symlink() or not _is_inside(place.parent, top):
            return
        if place.is_symlink():
            place.unlink()
        if place.exists():
            return  # the project brings its own
        try:
            copy_tree(kept, place)
        except (OSError, subprocess.CalledProcessError):  # damaged: made again
            remove(place)
        else:
            self._given = True

    def take(self, places: Mapping[str, Path], top: Path, log: Log) -> None:
        """Keep what a build left, in place of what was kept before; it is moved away."""
        there = {name: place for name, place in places.items() if _is_folder(place, top)}
        if not there:
            return
        if not _is_small(tuple(there.values())):
            log.write(f"{', '.join(there)}: more than is kept for the next build.\n")
            return
        part = self._home / f"{self._key}.{uuid.uuid4().hex[:8]}.part"
        try:
            part.mkdir(parents=True)
            for number, name in enumerate(self.names):
                if name in there:
                    there[name].rename(part / str(number))
            with self._alone(fcntl.LOCK_EX):
                remove(self._final)
                part.rename(self._final)
            self._thin()
        except OSError:
            return
        finally:
            remove(part)

    def _thin(self) -> None:
        """Of plans that were built long ago nothing is kept."""
        every = [path for path in self._home.iterdir() if path.is_dir() and not path.suffix]
        newest = sorted(every, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in newest[MOST_PLANS:]:
            with self._alone(fcntl.LOCK_EX, old.name):
                remove(old)

    def spoiled(self, failed: BuildFailed) -> bool:
        """A build failed that was given something, and what failed may lie in that: the next try is given nothing."""
        if not self._given or failed.path or any(words in str(failed) for words in _OWN_FAULTS):
            return False
        self._refused = True
        return True

    @contextlib.contextmanager
    def _alone(self, how: int, key: str = "") -> Iterator[None]:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / f"{key or self._key}.lock").open("w") as file:
            fcntl.flock(file, how)
            yield


def _is_inside(folder: Path, top: Path) -> bool:
    """No link on the way leads out; what is missing of it is made."""
    if not folder.resolve().is_relative_to(top.resolve()):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    return True


def _is_folder(place: Path, top: Path) -> bool:
    """It is a folder of the build's own, and no link on the way leads out."""
    return place.is_dir() and not place.is_symlink() and place.resolve().is_relative_to(top.resolve())


def _is_small(folders: tuple[Path, ...]) -> bool:
    size = count = 0
    for folder in folders:
        for path, below, files in os.walk(folder):
            count += len(files) + len(below)
            for name in files:
                with contextlib.suppress(OSError):
                    size += Path(path, name).lstat().st_size
            if size > MOST_BYTES or count > MOST_FILES:
                return False
    return True
