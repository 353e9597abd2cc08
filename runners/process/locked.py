"""A box of plain processes: what the kernel gives to anybody, asked once.

Best: namespaces of its own (no network, no other processes, of the file system only the system and what it was given,
read-only), as nobody when we are root and nobody may read what it must, else without any capability.
Where the kernel gives none: resource limits, a clean environment and a session, which stop accidents, not attacks.
`name` says which.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from runners.base import Unavailable
from runners.base.box import TAIL, Ended, tail, too_long, too_much
from runners.isolation import Child, Group, end, environment, to_end

NOBODY = 65534
PATH = "/usr/local/bin:/usr/bin:/bin"
_LIMITS = (
    ("c", resource.RLIMIT_CORE, 0, 1),
    ("n", resource.RLIMIT_NOFILE, 4096, 1),
    ("f", resource.RLIMIT_FSIZE, 256 * 1024 * 1024, 512),
    # Not the address space: runtimes reserve gigabytes of it that they never touch.
    ("d", resource.RLIMIT_DATA, 3 * 1024**3, 1024),
)
_TASKS = 4096  # of one user: nobody may have containers too
_OUTSIDE = '{limits}exec nice -n 5 "$@"'
# $1 folder, $2 cache or nothing, $3 scratch, then what may be read, "--", and what is run.  It sees a root of its own:
# the system, and these; all owned by who looks, or tools distrust the way to their cache.  The kernel's switches in
# /proc are closed to root without rights, too.  What can't be made safe is not run at all (125).
_SEALED = """
umask 022
top=$3/root
mkdir "$top" && mount -n -t tmpfs -o mode=0755,size=1m none "$top" || exit 125
place() { if [ -d "$1" ]; then mkdir -p "$top$1"; else mkdir -p "$top${1%/*}" && : >"$top$1"; fi || exit 125; }
show() { [ ! -e "$1" ] || { place "$1"; mount -n --rbind "$1" "$top$1" || exit 125; }; }
seal() { [ "$1" != / ] || exit 125; show "$1"; [ ! -e "$1" ] || mount -n -o remount,bind,ro "$top$1" || exit 125; }
for each in /bin /sbin /lib /lib32 /lib64 /libx32; do
  if [ -L "$each" ]; then cp -P "$each" "$top$each" || exit 125; else seal "$each"; fi
done
seal /usr; seal /etc; seal /nix; seal /proc
for each in /dev/null /dev/zero /dev/random /dev/urandom; do show "$each"; done
ln -s /proc/self/fd "$top/dev/fd"; ln -s /proc/self/fd/1 "$top/dev/stdout"; ln -s /proc/self/fd/2 "$top/dev/stderr"
folder=$1 cache=$2 scratch=$3
shift 3
while [ "$1" != -- ]; do seal "$1"; shift; done
shift
seal "$folder"
for each in "$scratch/home" "$scratch/tmp" ${cache:+"$cache"}; do show "$each"; done
mount -n -o remount,bind,ro "$top" || exit 125
PATH=$PATH:/usr/sbin:/sbin exec chroot "$top" /bin/sh -c 'cd "$1" || exit 126; PATH=$2; shift 2; "$@"; exit $?' \
  sh "$folder" "$PATH" "$@"
"""
_OPEN = 'cd "$1" || exit 126; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
_SPACES = ("--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
_BARE = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


@dataclasses.dataclass(frozen=True, slots=True)
class _Ground:
    """What the kernel gives here."""

    words: str
    enter: tuple[str, ...] = ()  # the command that makes the namespaces
    bare: tuple[str, ...] = ()  # the command that drops all rights
    sealed: bool = False  # mounts of its own
    offline: bool = False


def _grounds() -> list[_Ground]:
    """The best first."""
    unshare, setpriv = shutil.which("unshare"), shutil.which("setpriv")
    if sys.platform != "linux" or unshare is None:
        return []
    rooted = () if os.geteuid() == 0 else ("--map-root-user",)
    bare = (setpriv, *_BARE) if setpriv else ()
    return [
        _Ground("namespaces of its own", (unshare, *rooted, *_SPACES, "--"), bare, sealed=True, offline=True),
        _Ground("a network of its own", (unshare, *rooted, "--net", "--"), bare, offline=True),
    ]


class ProcessBox:
    """Runs tools as processes of this machine."""

    def __init__(self) -> None:
        self._found: _Ground | None = None
        self._looking = asyncio.Lock()

    @property
    def name(self) -> str:
        """What it is, for people; known after the first run."""
        return f"process, {self._found.words}" if self._found else "process"

    async def isolates(self) -> bool:
        """Whether what runs here has no network, no rights, and sees nothing but the system and what it was given."""
        ground = await self._ground()
        return ground.sealed and ground.offline and bool(ground.bare)

    async def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        readable: Sequence[Path],
        cache: Path | None,
        env: Mapping[str, str],
        seconds: float,
        most: int,
    ) -> Ended:
        ground = await self._ground()
        scratch = await asyncio.to_thread(_scratch)
        try:
            seen = [folder, *readable, *([cache] if cache else [])]
            uid = await asyncio.to_thread(_settle, ground, scratch, cache, seen)
            mark = f"box-{uuid.uuid4().hex}"
            given = await asyncio.to_thread(environment, scratch, mark, PATH, env)
            if uid is not None:
                await asyncio.to_thread(_give, scratch, uid)
            command = _command(ground, argv, [str(folder), str(cache or ""), str(scratch), *map(str, readable)], uid)
            return await _watched(command, given, Group(mark, scratch), seconds, most)
        finally:
            await to_end(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))

    async def close(self) -> None:
        """Nothing is held."""

    async def _ground(self) -> _Ground:
        """Asked once, by trying."""
        async with self._looking:
            if self._found is None:
                self._found = await asyncio.to_thread(_first_that_works)
        return self._found


def _first_that_works() -> _Ground:
    for ground in _grounds():
        with tempfile.TemporaryDirectory(prefix="slipway-box-") as name:
            folder, scratch = Path(name, "folder"), Path(name, "scratch")
            folder.mkdir()
            scratch.mkdir()
            (scratch / "home").mkdir()
            (scratch / "tmp").mkdir()
            places = [str(folder), "", str(scratch), name]
            command = _command(ground, ["true"], places, NOBODY if os.geteuid() == 0 else None)
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                done = subprocess.run(command, capture_output=True, timeout=10, env={"PATH": PATH})
                if done.returncode == 0:
                    return ground
    return _Ground("limits only")


def _command(ground: _Ground, argv: Sequence[str], places: Sequence[str], uid: int | None) -> list[str]:
    bare = list(ground.bare)
    if bare and uid is not None:
        bare[1:1] = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    inside = ["/bin/sh", "-c", _SEALED if ground.sealed else _OPEN, "sh"]
    outside = ["/bin/sh", "-c", _OUTSIDE.format(limits=_ulimits()), "sh"]
    return [*outside, *ground.enter, *inside, *places, "--", *bare, *argv]


async def _watched(command: list[str], env: Mapping[str, str], group: Group, seconds: float, most: int) -> Ended:
    """Run it to its end or to a limit; then nothing of it is left."""
    started, full = time.monotonic(), asyncio.Event()
    out, err = os.pipe(), os.pipe()
    try:
        child = _begin(command, env, out[1], err[1])
    except OSError as error:
        os.close(out[0])
        os.close(err[0])
        raise Unavailable(f"/bin/sh can't be started: {error}") from error
    finally:
        os.close(out[1])
        os.close(err[1])
    group = dataclasses.replace(group, leader=child.leader)
    output = asyncio.create_task(_take(out[0], most, full, end_only=False))
    errors = asyncio.create_task(_take(err[0], 4 * TAIL, full, end_only=True))
    ending, filled = asyncio.create_task(child.wait()), asyncio.create_task(full.wait())
    try:
        await asyncio.wait({ending, filled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        alone = ending.done()
    finally:

        async def finish() -> tuple[int, bytes, bytes]:
            await end(group, grace=0)
            filled.cancel()
            return await ending, await output, await errors

        code, printed, complained = await to_end(finish())
    why = too_much(most) if full.is_set() else None if alone else too_long(seconds)
    return Ended(
        code=None if why else code,
        output=b"" if why else printed,
        errors=tail(complained),
        seconds=time.monotonic() - started,
        why=why,
    )


def _begin(command: list[str], env: Mapping[str, str], out: int, err: int) -> Child:
    begun = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd="/", env=env, start_new_session=True
    )
    begun.returncode = 0  # Child reaps it
    return Child(begun.pid)


async def _take(descriptor: int, most: int, full: asyncio.Event, *, end_only: bool) -> bytes:
    """All that is written there; with `end_only` its last `most` bytes, else `full` is set when there is more."""
    loop, stream = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    kept = bytearray()
    try:
        while chunk := await stream.read(256 * 1024):
            if full.is_set():
                continue
            kept += chunk
            if end_only:
                del kept[:-most]
            elif len(kept) > most:
                full.set()
                kept.clear()
        return bytes(kept)
    finally:
        transport.close()


def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="slipway-box-")).resolve()


def _settle(ground: _Ground, scratch: Path, cache: Path | None, seen: Sequence[Path]) -> int | None:
    """Who runs it: nobody, when we may choose and nobody may read all of `seen`; None: ourselves.

    In a root of its own the way to them is open: folders above them are not those of the machine.
    The cache is given to whoever it is: tools don't trust another's."""
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return None
    ways = () if ground.sealed else [above for each in [*seen, scratch] for above in each.resolve().parents]
    uid = NOBODY if ground.bare and all(map(_readable, seen)) and all(map(_passable, ways)) else None
    if cache is not None:
        _give(cache, uid or 0)
    return uid


def _readable(path: Path) -> bool:
    """Everybody who is there may look."""
    if not path.exists():
        return False
    mode = path.stat().st_mode
    wanted = stat.S_IXOTH | stat.S_IROTH if stat.S_ISDIR(mode) else stat.S_IROTH
    return mode & wanted == wanted


def _passable(folder: Path) -> bool:
    """Everybody may go through it."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def _give(top: Path, uid: int) -> None:
    for folder, names, files in os.walk(top):
        for name in (".", *names, *files):
            with contextlib.suppress(FileNotFoundError):  # another run of the same tool tidies up
                os.chown(f"{folder}/{name}", uid, uid, follow_symlinks=False)


def _ulimits() -> str:
    """Shell words; in the shell's own units."""
    words = []
    for letter, kind, value, unit in _LIMITS:
        most = resource.getrlimit(kind)[1]
        words.append(f"ulimit -{letter} {(value if most == resource.RLIM_INFINITY else min(value, most)) // unit}; ")
    if sys.platform == "linux":
        words.append(f"ulimit -p {_TASKS} 2>/dev/null || ulimit -u {_TASKS} 2>/dev/null; ")
        words.append("echo 500 2>/dev/null >/proc/self/oom_score_adj; ")
    return "".join(words)
