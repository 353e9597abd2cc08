"""Findings go to GitHub's code scanning where a policy says so, and the verdict never waits for its mood."""

# ruff: noqa: F811 - a fixture from elsewhere
from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from demo.security import leaked
from tests.house import HANG_UP, SAID, SERVER, House
from tests.test_scan import INJECTION, concludes, head, home  # noqa: F401 - the fixture

pytestmark = pytest.mark.slow
PLACE = "/code-scanning/sarifs"
UNTOLD = "code scanning was not told"


async def switched_on(home: House, more: str = "") -> None:
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": f"scan: {{upload: true{more}}}\n"}, "P", "meg")


def sarifs(home: House) -> list[Any]:
    return list(home.github.hub.repo(home.repo).sarifs)


async def test_findings_are_told_where_the_policy_says_so(home: House) -> None:
    home.github.hub.repo(home.repo).code_scanning = True
    await switched_on(home)
    key = leaked()
    number = await home.propose({**SERVER, "shop.py": INJECTION, "config.py": f'STRIPE_KEY = "{key}"\n'})

    run = await concludes(home, number, "failure")

    (sarif,) = sarifs(home)
    assert (sarif.sha, sarif.ref) == (head(home, number), f"refs/pull/{number}/head")
    runs = {one["tool"]["driver"]["name"]: one for one in sarif.log["runs"]}
    assert any(one["ruleId"] == "S608" for one in runs["ruff"]["results"])
    assert runs["kingfisher"]["results"] and runs["kingfisher"]["automationDetails"]["id"] == "slipway/kingfisher/"
    assert key not in json.dumps(sarif.log) and UNTOLD not in run.summary


async def test_nobody_is_told_unless_the_policy_says_so(home: House) -> None:
    home.github.hub.repo(home.repo).code_scanning = True
    number = await home.propose({**SERVER, "shop.py": INJECTION})
    await concludes(home, number, "failure")
    assert sarifs(home) == []


async def test_a_change_can_not_switch_it_on_for_itself(home: House) -> None:
    home.github.hub.repo(home.repo).code_scanning = True
    number = await home.propose({**SERVER, ".slipway.yml": "scan: {upload: true}\n"})
    await concludes(home, number, "success")
    assert sarifs(home) == []


@pytest.mark.parametrize(("status", "words"), [(403, "not switched on"), (HANG_UP, "no answer")])
async def test_a_refusal_is_said_once_and_changes_no_verdict(home: House, status: int, words: str) -> None:
    asked = 0

    def instead(request: web.Request) -> web.Response | None:
        nonlocal asked
        if not request.path.endswith(PLACE):
            return None
        asked += 1
        return web.json_response({"message": "no"}, status=status)

    home.trouble.instead = instead
    await switched_on(home)
    number = await home.propose({**SERVER, "shop.py": INJECTION})

    run = await concludes(home, number, "failure")
    assert run.summary.count(UNTOLD) == 1 and words in run.summary

    found = next(iter(run.annotations))["message"].rpartition("Its id: ")[2]
    await home.github.comment(home.repo, number, "meg", f"/ack {found} {head(home, number)[:7]}")
    again = await concludes(home, number, "success", runs=2)
    assert asked == 1 and again.summary.count(UNTOLD) == 1


async def test_an_app_without_the_permission_goes_on_without(home: House) -> None:
    home.github.hub.repo(home.repo).code_scanning = True
    words = {"message": "The permissions requested are not granted to this installation."}

    def instead(request: web.Request) -> web.Response | None:
        asks = request.path.endswith("/access_tokens") and b"security_events" in request[SAID]
        return web.json_response(words, status=422) if asks else None

    home.trouble.instead = instead
    await switched_on(home)
    number = await home.propose({**SERVER, "note.txt": "one"})
    run = await concludes(home, number, "success")
    assert UNTOLD in run.summary and "security_events" in run.summary
