"""What a build leaves for the next one: found by the same project in the same trust domain, never in the way."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runners.base import Artifact, BuildFailed, Limits, Plan, Source, kept
from runners.base.folders import Folders
from runners.process import ProcessRunner
from tests.runners.apps import Lines, Yard, a_source

# Says what it found and leaves its own word; a project that has "sour" in its word can't do with it.
BUILD = (
    "mkdir -p out; cat .work/cache/word > out/found 2>/dev/null; if grep -qs sour out/found; then exit 3; fi;"
    " mkdir -p .work/cache; cp word .work/cache/word"
)
PLAN = Plan(language="static", kind="static", build=BUILD, static_dir="out", caches=(".work/cache",))


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    runner = ProcessRunner(Folders(tmp_path / "home"), f"home-{tmp_path.name}")
    await runner.ready()
    yield Yard(runner, tmp_path)
    await runner.close()


def found(artifact: Artifact) -> str:
    return (Path(artifact.path or "") / "found").read_text().strip()


def all_kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("home/caches/*/built/*/0"))


async def test_the_next_build_finds_what_the_last_one_left(yard: Yard) -> None:
    first = await yard.build({"word": "one"}, PLAN)
    second = await yard.build({"word": "two"}, PLAN)
    third = await yard.build({"word": "three"}, PLAN)

    assert [found(each) for each in (first, second, third)] == ["", "one", "two"]
    assert not (Path(third.path or "") / ".work").exists()


async def test_another_trust_domain_finds_nothing_of_it(yard: Yard) -> None:
    await yard.build({"word": "one"}, PLAN)

    source = a_source(yard.folder, {"word": "two"}, PLAN, scope="a-fork")
    artifact = await yard.runner.build(source, Limits(seconds=60), Lines())

    assert found(artifact) == ""


async def test_what_a_fork_built_of_the_same_tree_is_another_artifact(yard: Yard) -> None:
    own = await yard.build({"word": "one"}, PLAN)
    source = a_source(yard.folder, {"word": "one"}, PLAN, scope="a-fork")

    forks = await yard.runner.build(source, Limits(seconds=60), Lines())

    assert own.digest != forks.digest


async def test_pushes_that_each_bring_another_plan_do_not_fill_the_disk(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_PLANS", 2)
    for framework in ("one", "two", "three"):
        await yard.build({"word": framework}, dataclasses.replace(PLAN, framework=framework))

    words = sorted((each / "word").read_text() for each in all_kept(tmp_path))

    assert words == ["three", "two"]


async def test_another_framework_finds_nothing_of_it(yard: Yard) -> None:
    await yard.build({"word": "one"}, PLAN)

    assert found(await yard.build({"word": "two"}, dataclasses.replace(PLAN, framework="vite"))) == ""


async def test_a_build_that_fails_with_it_is_done_again_without_it(yard: Yard) -> None:
    await yard.build({"word": "sour"}, PLAN)

    artifact = await yard.build({"word": "sweet"}, PLAN)
    after = await yard.build({"word": "plain"}, PLAN)

    assert found(artifact) == ""
    assert kept.AGAIN in yard.log.text
    assert found(after) == "sweet"


async def test_a_build_that_fails_keeps_what_was_there(yard: Yard) -> None:
    await yard.build({"word": "one"}, PLAN)

    with pytest.raises(BuildFailed):
        await yard.build({"word": "two", "more": ""}, dataclasses.replace(PLAN, build=f"{BUILD}; exit 4"))

    assert found(await yard.build({"word": "three"}, PLAN)) == "one"


async def test_one_that_was_damaged_is_as_good_as_none(yard: Yard) -> None:
    await yard.build({"word": "one"}, PLAN)
    (folder,) = all_kept(yard.folder)
    (folder / "word").unlink()
    folder.rmdir()
    folder.write_text("no folder any more")

    assert found(await yard.build({"word": "two"}, PLAN)) == ""


async def test_what_is_too_large_is_not_kept(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 10)

    await yard.build({"word": "more than ten characters"}, PLAN)

    assert all_kept(yard.folder) == []
    assert "more than is kept" in yard.log.text


async def test_a_link_out_of_the_project_is_not_followed(yard: Yard, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "cache").mkdir(parents=True)
    (outside / "cache" / "word").write_text("private")
    source = a_source(yard.folder, {"word": "one"}, dataclasses.replace(PLAN, build="mkdir -p out; touch out/found"))
    (source.path / ".work").symlink_to(outside)

    await yard.runner.build(source, Limits(seconds=60), Lines())

    assert (outside / "cache" / "word").read_text() == "private"
    assert all_kept(tmp_path) == []


async def test_nothing_is_laid_where_a_link_leads_out(yard: Yard, tmp_path: Path) -> None:
    await yard.build({"word": "one"}, PLAN)
    outside = tmp_path / "outside"
    outside.mkdir()
    source = a_source(yard.folder, {"word": "two"}, dataclasses.replace(PLAN, build="mkdir -p out; touch out/found"))
    (source.path / ".work").symlink_to(outside)

    await yard.runner.build(source, Limits(seconds=60), Lines())

    assert list(outside.iterdir()) == []


def test_a_name_that_leads_upwards_is_none(tmp_path: Path) -> None:
    source = Source(tmp_path, "0" * 40, dataclasses.replace(PLAN, caches=("../other", "own")), "scope")

    assert kept.Kept(Folders(tmp_path), source).names == ("own",)


def test_a_half_written_one_is_swept_away(tmp_path: Path) -> None:
    part = tmp_path / "caches" / "scope" / "built" / "key.1234.part"
    part.mkdir(parents=True)

    Folders(tmp_path).sweep()

    assert not part.exists()
