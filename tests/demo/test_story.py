"""What the story stands on: a policy that says what it is told to say, and how a check is looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from bot.policy.compare import compare
from bot.policy.load import load
from bot.policy.merge import Layer, merge
from demo.governance import LOOSER, POLICY
from demo.stage import NotAsTold, Teller
from tests.demo.conftest import World


def teller(world: World, http: httpx.AsyncClient) -> Teller:
    return Teller(world.gh, "http://localhost:1", http, Console(quiet=True))


def test_the_budget_of_the_story_is_valid_and_the_proposal_only_loosens_it() -> None:
    held, proposed = (merge([Layer("project", load(text.encode()))]) for text in (POLICY, LOOSER))
    assert [one.limit for one in held.budgets.limits] == [10_000]  # millionths: a cent
    assert {one.way for one in compare(held, proposed)} == {"looser"}


async def test_of_several_runs_of_a_check_only_the_newest_counts(world: World) -> None:
    told = teller(world, world.http)
    run = {"name": "slipway/gate", "head_sha": world.sha}
    green = {"status": "completed", "conclusion": "success", "output": {"title": "met", "summary": "s"}}
    await world.call("POST", "/check-runs", json=run | green)
    assert (await told.check(world.name, world.number, "slipway/gate", "success", "met")).title == "met"

    newer = await world.call("POST", "/check-runs", json=run | {"status": "in_progress"})

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(told.check(world.name, world.number, "slipway/gate", "success"), 0.1)
    assert [one.id for one in told.checks(world.name, world.number, "slipway/gate")][-1] == newer.json()["id"]


async def test_a_command_that_fails_is_not_as_told(world: World, tmp_path: Path) -> None:
    with pytest.raises(NotAsTold, match="slipway budget"):
        await teller(world, world.http).command(tmp_path / "nobody", "budget")
