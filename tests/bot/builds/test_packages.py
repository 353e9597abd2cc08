"""What a change depends on is read from git alone, and what nobody read is told; real git over HTTP."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.builds.packages import Examined, examined
from bot.scanners.dependencies import MANIFESTS, Advisory, Registries
from bot.sources import Sources
from tests.bot.scanners.planted import registry
from tests.git_server import TOKEN, Work, serve

SHOP = "acme/shop"
MADE_UP = "flask-shop-searching-nobody-has==1.0\n"


class Shop:
    """A repository, and what a change of it depends on."""

    def __init__(self, work: Work, sources: Sources, registries: Registries, folder: Path) -> None:
        self.work, self.sources = work, sources
        self._registries, self._folders = registries, (folder / str(number) for number in itertools.count())

    async def judged(self, base: str, head: str) -> Examined:
        change = await self.sources.change(1, SHOP, base, head, TOKEN, 1)
        manifests = functools.partial(self.sources.listed, 1, wanted=MANIFESTS)
        return await examined(self._registries, manifests, self._laid, (SHOP, head), _nothing, change, registry.NOW)

    async def changed(self, before: dict[str, str | bytes | None], after: dict[str, str | bytes | None]) -> Examined:
        base = self.work.commit({"README": "a shop", **before})
        return await self.judged(base, self.work.commit(after, onto=base, ref="refs/heads/topic"))

    @contextlib.asynccontextmanager
    async def _laid(self, files: Sequence[tuple[str, str]]) -> AsyncIterator[Path]:
        folder = next(self._folders)
        folder.parent.mkdir(exist_ok=True)
        await self.sources.lay_out(1, files, folder)
        yield folder


async def _nothing(_ecosystem: str, _packages: Sequence[str]) -> list[Advisory]:
    return []


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with serve(tmp_path / "server") as server, registry.serve() as (indexes, _):
        sources, registries = Sources(tmp_path / "home", server.url), Registries(indexes)
        yield Shop(server.create(SHOP), sources, registries, tmp_path / "laid")
        await registries.close()
        await sources.close()


def rules(one: Examined) -> list[str]:
    return [found.rule for found in one.report.findings]


def told(one: Examined, *, needed: bool) -> list[str]:
    return [ran.fault for ran in one.report.ran if ran.fault and ran.needed is needed]


async def test_a_large_tree_is_not_written_for_its_manifests(shop: Shop, tmp_path: Path) -> None:
    many: dict[str, str | bytes | None] = {f"lib/{number}.py": f"{number}\n" for number in range(50)}
    seen = await shop.changed({**many, "requirements.txt": "flask==3.1.1\n"}, {"lib/0.py": "changed"})
    assert [part["name"] for part in seen.sbom["components"]] == ["flask"]
    assert not list((tmp_path / "home" / "trees").glob("**/*.py"))
    assert not list((tmp_path / "laid").glob("**/*.py"))


@pytest.mark.parametrize("folder", ["build", ".devcontainer", "a/b/c/d/e/f/g/h"])
async def test_a_manifest_is_read_wherever_its_author_put_it(shop: Shop, folder: str) -> None:
    assert rules(await shop.changed({}, {f"{folder}/requirements.txt": MADE_UP})) == ["not-in-registry"]


async def test_a_manifest_that_is_too_large_is_no_pass_and_is_told_where_it_stood_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.builds.packages.LARGEST", 1 << 10)
    large = MADE_UP + "# much\n" * 1000
    seen = await shop.changed({}, {"requirements.txt": large})
    assert len(told(seen, needed=True)) == 1 and "requirements.txt" in told(seen, needed=True)[0]

    seen = await shop.changed({"requirements.txt": large}, {"a.py": ""})
    assert told(seen, needed=True) == [] and "requirements.txt" in told(seen, needed=False)[0]


async def test_a_manifest_above_the_number_is_no_pass_and_those_of_the_change_are_read_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.builds.packages.MOST", 3)
    old: dict[str, str | bytes | None] = {f"{letter}/requirements.txt": f"# {letter}\n" for letter in "abcd"}
    seen = await shop.changed(old, {"z/deep/requirements.txt": MADE_UP})
    assert rules(seen) == ["not-in-registry"] and told(seen, needed=True) == []

    seen = await shop.changed({}, {f"{letter}/requirements.txt": "# new\n" for letter in "abcde"})
    assert len(told(seen, needed=True)) == 1


async def test_a_manifest_that_is_a_link_is_no_pass(shop: Shop) -> None:
    base = shop.work.commit({"list.dat": MADE_UP})
    head = shop.work.plant(
        [f"120000 {shop.work.blob('list.dat')}\trequirements.txt"], parent=base, ref="refs/heads/topic"
    )
    assert "requirements.txt" in told(await shop.judged(base, head), needed=True)[0]


async def test_manifests_of_others_code_are_told_and_stop_nobody(shop: Shop) -> None:
    seen = await shop.changed({}, {"third_party/a/requirements.txt": MADE_UP, "vendor/b/package.json": "{}"})
    assert rules(seen) == [] and told(seen, needed=True) == []
    assert "2 manifests" in told(seen, needed=False)[0]


async def test_a_manifest_that_moves_brings_no_new_names(shop: Shop) -> None:
    text = "flask==3.1.1\n" + MADE_UP
    seen = await shop.changed({"requirements.txt": text}, {"requirements.txt": None, "web/requirements.txt": text})
    assert rules(seen) == []


async def test_a_file_that_becomes_a_manifest_by_its_name_is_all_new(shop: Shop) -> None:
    seen = await shop.changed({"list.dat": MADE_UP}, {"list.dat": None, "requirements.txt": MADE_UP})
    assert rules(seen) == ["not-in-registry"]
