"""What a build leaves for the next one, when it is made in a box."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from runners.base import Artifact, Plan
from runners.docker.mounts import Overlays
from tests.runners.apps import Yard

pytestmark = pytest.mark.docker

BUILD = (
    "mkdir -p out; cat .work/word node_modules/.cache/word > out/found 2>/dev/null;"
    " mkdir -p .work node_modules/.cache && cp word .work/word && cp word node_modules/.cache/word"
)
PLAN = Plan(
    language="node",
    kind="static",
    manifests=("package.json",),
    install=("mkdir -p node_modules/one",),
    build=BUILD,
    static_dir="out",
    caches=(".work", "node_modules/.cache"),
)


@pytest.mark.parametrize("whole", [False, True], ids=["a layer", "a workspace"])
@pytest.mark.parametrize("overlay", [True, False], ids=["overlay", "copy"])
async def test_the_next_build_finds_what_the_last_one_left(
    yard: Yard, overlay: bool, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_overlays: Overlays, _image: str) -> bool:
        return False

    if not overlay:
        monkeypatch.setattr(Overlays, "work", never)
    plan = dataclasses.replace(PLAN, install_in_tree=whole)

    first = await yard.build({"word": "one\n", "package.json": "{}"}, plan)
    second = await yard.build({"word": "two\n", "package.json": "{}"}, plan)

    assert _found(first) == []
    assert _found(second) == ["one", "one"]


def _found(artifact: Artifact) -> list[str]:
    return (Path(artifact.path or "") / "found").read_text().split()
