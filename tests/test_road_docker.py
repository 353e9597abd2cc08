"""The main road on a real Docker engine: what is particular to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import base_images
from tests.house import SERVER, House, house

pytestmark = [pytest.mark.slow, pytest.mark.docker]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, SLIPWAY_RUNNER="docker", SLIPWAY_IMAGE=base_images()) as one:
        yield one


def ours(home: House) -> list[dict[str, Any]]:
    """Containers that carry this home's label."""
    ident = (home.settings.home / "id").read_text().strip()
    found = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=slipway.home={ident}"], capture_output=True, text=True, check=True
    ).stdout.split()
    if not found:
        return []
    return list(json.loads(subprocess.run(["docker", "inspect", *found], capture_output=True, check=True).stdout))


async def test_a_push_lives_in_a_box_that_carries_our_labels_and_limits(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")
    assert "plain processes" not in home.comments(number)[0]

    deployment = home.twin(number)["deployment"]
    (box,) = [one for one in ours(home) if one["Config"]["Labels"].get("slipway.deployment") == deployment]
    assert box["Config"]["Labels"]["slipway.managed"] == "true"
    limits = box["HostConfig"]
    assert limits["Memory"] == home.settings.memory_mb * 1024 * 1024
    assert limits["PidsLimit"] > 0
    assert "/var/run/docker.sock" not in str(limits["Binds"])


async def test_a_second_push_takes_over_and_closing_leaves_no_box(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await home.shows(home.host(number), "hello two")

    await home.github.close_pull(home.repo, number)

    await home.says(number, "nothing is left")
    assert [one["Name"] for one in ours(home) if one["State"]["Running"] and "spare" not in one["Name"]] == []


async def test_a_sleeping_box_wakes_for_a_visitor(home: House) -> None:
    number = await home.propose(SERVER)
    await home.shows(home.host(number), "hello one")
    await home.says(number, "is live")
    assert home.service is not None

    await home.service.previews.sleep(home.twin(number)["deployment"])

    assert [one["State"]["Status"] for one in ours(home) if "spare" not in one["Name"]] == ["paused"]
    assert (await home.visit(home.host(number))).text == "hello one"
