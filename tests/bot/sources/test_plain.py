"""Blobs as plain files."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.errors import SourceUnavailable
from bot.sources import Sources
from tests.git_server import TOKEN, GitServer, Work, git, serve

SHOP = "acme/shop"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with serve(tmp_path / "server") as server:
        yield server


@pytest_asyncio.fixture
async def sources(server: GitServer, tmp_path: Path) -> AsyncIterator[Sources]:
    sources = Sources(tmp_path / "home", server.url, time.time)
    yield sources
    await sources.close()


@pytest.fixture
def work(server: GitServer) -> Work:
    return server.create(SHOP)


async def fetched(work: Work, sources: Sources, *contents: str | bytes) -> list[str]:
    """Blobs of these contents in the mirror."""
    sha = work.commit({str(number): content for number, content in enumerate(contents)})
    await sources.fetch(1, SHOP, sha, TOKEN)
    return [git(work.bare, "rev-parse", f"{sha}:{number}") for number in range(len(contents))]


async def test_files_are_written_as_they_are_and_plain(work: Work, sources: Sources, tmp_path: Path) -> None:
    wild = bytes(range(256)) + b"\r\n$Id$\n"
    blobs = await fetched(work, sources, wild, "", "x\n")
    mask = os.umask(0o077)
    try:
        await sources.lay_out(1, [("a/b/c", blobs[0]), ("a/\n\"'", blobs[1]), ("-x", blobs[2])], tmp_path / "out")
    finally:
        os.umask(mask)

    found = {str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*")}
    assert {name: path.read_bytes() for name, path in found.items() if path.is_file()} == {
        "a/b/c": wild,
        "a/\n\"'": b"",
        "-x": b"x\n",
    }
    assert {path.lstat().st_mode for path in found.values()} == {0o100644, 0o040755}
    assert (tmp_path / "out").stat().st_mode == 0o040755


async def test_much_is_written_in_portions(
    work: Work, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [os.urandom(400) for _ in range(7)] + [b"y" * 3000, b"z"]
    blobs = await fetched(work, sources, *contents)
    monkeypatch.setattr("bot.sources.plain.AT_ONCE", 1000)
    monkeypatch.setattr("bot.sources.git.OUTPUT", 3200)  # less than all of it

    await sources.lay_out(1, [(f"f{n}", blob) for n, blob in enumerate(blobs)], tmp_path / "out")

    assert [(tmp_path / f"out/f{n}").read_bytes() for n in range(len(blobs))] == contents


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/x", "a//b", "", ".", "a/.", ".git/config", "a/.GIT/hooks/x", "a\0b", "x" * 300]
)
async def test_what_would_lie_elsewhere_is_refused(work: Work, sources: Sources, tmp_path: Path, path: str) -> None:
    (blob,) = await fetched(work, sources, "1")

    with pytest.raises(SourceUnavailable):
        await sources.lay_out(1, [(path, blob)], tmp_path / "out")

    assert not (tmp_path / "x").exists()
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
async def test_two_that_want_one_place_are_refused(
    work: Work, sources: Sources, tmp_path: Path, paths: tuple[str, str]
) -> None:
    blobs = await fetched(work, sources, "1", "2")

    with pytest.raises(SourceUnavailable, match="no place on disk"):
        await sources.lay_out(1, list(zip(paths, blobs, strict=True)), tmp_path / "out")


async def test_a_link_that_lies_there_is_not_followed(work: Work, sources: Sources, tmp_path: Path) -> None:
    (blob,) = await fetched(work, sources, "1")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out/file").symlink_to(tmp_path / "elsewhere/file")

    for path in ("folder/x", "file"):
        with pytest.raises(SourceUnavailable, match="no place on disk"):
            await sources.lay_out(1, [(path, blob)], tmp_path / "out")

    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_only_contents_of_files_that_are_here_can_be_had(work: Work, sources: Sources, tmp_path: Path) -> None:
    await fetched(work, sources, "1")
    tree = git(work.bare, "rev-parse", "main^{tree}")

    for blob in ("1" * 40, tree, "HEAD", "main:0\nHEAD"):
        with pytest.raises(SourceUnavailable):
            await sources.lay_out(1, [("a", blob)], tmp_path / "out")


async def test_nothing_is_an_empty_folder(work: Work, sources: Sources, tmp_path: Path) -> None:
    await fetched(work, sources, "1")

    await sources.lay_out(1, [], tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []
