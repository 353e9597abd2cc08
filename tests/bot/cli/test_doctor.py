"""What `slipway doctor` says of the required check, with a GitHub that is judged by the contract kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bot.cli.doctor import Finding, examine
from bot.messages.gate import GATE
from bot.models import Project
from bot.store import Store, projects
from tests.house import House, stage

OURS = 1  # the app's number


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[House]:
    """A GitHub with one project that is in the books."""
    async with stage(tmp_path) as one:
        repo = one.github.hub.repo(one.repo)
        (installation,) = one.github.hub.installations.values()
        row = Project(
            id=repo.id, installation_id=installation.id, owner="acme", name="shop", default_branch="main", private=False
        )
        store = Store.open(one.settings.database)
        await store.write(projects.note_project, row, 0.0)
        store.close()
        yield one


async def said(house: House) -> Finding:
    return next(one for one in await examine(house.settings) if one.what == f"acme/shop: {GATE}")


async def test_required_from_our_app_is_well(served: House) -> None:
    served.github.require_check(served.repo, GATE, OURS)
    found = await said(served)
    assert found.ok
    assert found.words == "required on main from app 1, in ruleset 1 of acme/shop."
    assert found.as_json()["requires"] == "ours"


async def test_required_from_anybody_can_be_forged_and_is_a_fault(served: House) -> None:
    served.github.require_check(served.repo, GATE)
    found = await said(served)
    assert (found.ok, found.optional, found.requires) == (False, False, "anybody")
    assert "whoever may push can report a check of that name" in found.words
    assert "(app 1) instead of *any source*" in found.words


async def test_required_from_another_app_is_never_met(served: House) -> None:
    served.github.require_check(served.repo, GATE, 77)
    found = await said(served)
    assert (found.ok, found.optional, found.requires) == (False, False, "another")
    assert "app 77, in ruleset 1" in found.words


async def test_of_two_rules_the_one_that_names_us_is_enough(served: House) -> None:
    """Both have to be met, so nobody but us can."""
    served.github.require_check(served.repo, GATE)
    served.github.require_check(served.repo, GATE, OURS)
    assert (await said(served)).requires == "ours"


async def test_not_required_says_the_way_step_by_step(served: House) -> None:
    served.github.require_check(served.repo, "build", 15368)
    found = await said(served)
    assert (found.ok, found.optional, found.requires) == (False, True, "none")
    assert f"{served.github.url}/acme/shop/settings/rules → New branch ruleset" in found.words
    assert "within the last seven days" in found.words


@pytest.mark.parametrize(("app", "requires"), [(OURS, "ours"), (None, "anybody"), (-1, "anybody")])
async def test_protection_of_the_older_kind_is_read_as_far_as_it_shows(
    served: House, app: int | None, requires: str
) -> None:
    served.github.require_check(served.repo, GATE, app, classic=True)
    assert (await said(served)).requires == requires


async def test_a_repository_that_does_not_answer_is_told_and_no_crash(served: House) -> None:
    served.trouble.instead = lambda call: web.Response(status=403) if "/rules/" in call.path else None
    found = await said(served)
    assert found.requires == "unknown"
    assert "does not say" in found.words
