"""Put the `uv` that uv.lock names into a folder, with nothing but Python: `python3 deploy/uv.py FOLDER`.

A bare Debian has neither pip nor ensurepip, so `make` starts here.  The wheel is checked against the lock's hash.
"""

from __future__ import annotations

import hashlib
import io
import platform
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from pathlib import Path


def wheel(lock: Path) -> tuple[str, str]:
    """The address and sha256 of uv's wheel for this machine.  Raises SystemExit when there is none."""
    packages = tomllib.loads(lock.read_text())["package"]
    uv = next(package for package in packages if package["name"] == "uv")
    system, machine = platform.system(), platform.machine().lower()
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "Darwin":
        wanted = ("macosx", "arm64" if arch == "aarch64" else arch)
    else:
        musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
        wanted = ("musllinux" if musl else "manylinux", arch)
    for one in uv["wheels"]:
        if all(part in one["url"].rsplit("/", 1)[1] for part in wanted):
            return one["url"], one["hash"].removeprefix("sha256:")
    raise SystemExit(f"uv.lock has no uv for {system} {machine}. Install uv by hand, then: uv sync --frozen")


def main(folder: Path) -> None:
    url, digest = wheel(Path(__file__).resolve().parent.parent / "uv.lock")
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310  (an https address out of our own lock)
        raw = answer.read()
    if hashlib.sha256(raw).hexdigest() != digest:
        raise SystemExit(f"{url} is not what uv.lock says it is; nothing was installed.")
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        target = folder / "uv"
        target.write_bytes(archive.read(name))
        target.chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python3 deploy/uv.py FOLDER")
    main(Path(sys.argv[1]))
