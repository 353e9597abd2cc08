"""Where the policy comes from, end to end: floor, organization, project; never the pull request that changes it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import Session, col, select

from bot import app
from bot.errors import Misconfigured
from bot.models import AuditEntry, PolicyChange, Project
from bot.permissions.policies import Held
from bot.policy.terms import Effective
from bot.store import policies, projects
from tests.house import MARKER, House, eventually, house, stage

CHECK = "slipway/policy"
NEVER_ENDS = "budgets: {limits: [{scope: project, period: month, limit: 1000000000}]}\n"
SOAK = "environments: {production: {soak: %s}}\n"


def soak(held: Held) -> int:
    return held.effective.terms("production").soak


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await one.github.settled()
        yield one


async def project(home: House) -> Project:
    assert home.service is not None

    async def looked() -> Project | None:
        assert home.service is not None
        return await home.service.store.read(projects.project, home.github.hub.repo(home.repo).id)

    return await eventually(looked)


async def held(home: House, *, live: bool = True) -> Held:
    assert home.service is not None
    return await home.service.policies.held(await project(home), live=live)


async def merged(home: House, text: str, repo: str | None = None, user: str = "ann") -> str:
    """The default branch says this now."""
    return await home.github.branch_commit(repo or home.repo, "main", {".slipway.yml": text}, "Policy", author=user)


async def says(home: House, seconds: int) -> None:
    """Wait until what is kept, with nobody asking GitHub, has this soak."""
    assert home.service is not None
    mine = await project(home)

    async def looked() -> bool | None:
        assert home.service is not None
        row = await home.service.store.read(policies.text_of, f"project:{mine.id}")
        return True if row is not None and row.valid_text == (SOAK % f"{seconds}s").encode() else None

    await eventually(looked, 5)


async def test_without_any_file_the_defaults_hold(home: House) -> None:
    assert await held(home) == Held(Effective())


async def test_the_default_branch_speaks_and_a_push_is_heard_at_once(home: House) -> None:
    await merged(home, SOAK % "5s")
    began = time.monotonic()
    await home.github.settled()
    await says(home, 5)

    assert time.monotonic() - began < 0.5
    assert soak(await held(home, live=False)) == 5


async def test_a_pull_request_is_judged_by_the_policy_that_it_wants_to_change(home: House) -> None:
    await merged(home, SOAK % "900s")
    number = await home.propose({".slipway.yml": SOAK % "0s"})
    (check,) = await checks(home, number)

    assert soak(await held(home)) == 900
    assert check.conclusion == "action_required"


async def checks(home: House, number: int, count: int = 1) -> list[Any]:
    """Wait until the head of a pull request has so many checks about its policy."""
    sha = home.github.hub.pull(home.repo, number).head_sha

    async def looked() -> list[Any] | None:
        found = [one for one in home.checks(sha) if one.name == CHECK]
        return found if len(found) >= count else None

    return await eventually(looked, 10)
