"""Images of databases for tests, where no registry is: Debian's packages behind the official images' interface."""

from __future__ import annotations

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import base_images

_HERE = Path(__file__).parent
_LABEL = "slipway.test=database"


@cache
def image(kind: str) -> str:
    """The name of an image of "postgresql" or "redis": the one that is set, else one made here and kept.

    Making one takes 15 s, and a package registry: without that the test is left out."""
    told = os.environ.get(f"SLIPWAY_IMAGE_{kind.upper()}")
    if told:
        return told
    base = base_images()["python"]
    made = hashlib.sha256(base.encode())
    for path in sorted((_HERE / kind).iterdir()):
        made.update(path.read_bytes())
    name = f"slipway-test/{kind}:{made.hexdigest()[:12]}"
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode:
        _build(kind, name, base)
    return name


def _build(kind: str, name: str, base: str) -> None:
    words = ["docker", "build", "--quiet", "--label", _LABEL, "--build-arg", f"BASE={base}", "--tag", name]
    ended = subprocess.run([*words, str(_HERE / kind)], capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"{kind} can't be installed into an image here: {ended.stderr[-200:]}")
