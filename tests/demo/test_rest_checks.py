"""Check runs, statuses and deployments: strict where GitHub is strict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web

from demo.github import IDS, TOKEN, DemoGitHub
from tests.demo.conftest import KEY, Heard, World

Json = dict[str, Any]
NOTE = {"path": "app.py", "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "hm"}
OUTPUT = {"title": "t", "summary": "s"}


async def make(world: World, **fields: Any) -> httpx.Response:
    return await world.call("POST", "/check-runs", json={"name": "slipway/preview", "head_sha": world.sha, **fields})


async def test_a_check_run_begins_goes_on_and_ends(world: World, heard: Heard) -> None:
    begun = await make(world, status="in_progress", external_id="d-1", details_url="http://localhost/d/1")
    run = begun.json()
    assert begun.status_code == 201 and (run["status"], run["conclusion"]) == ("in_progress", None)
    assert run["pull_requests"][0]["number"] == 1 and run["app"]["slug"] == "slipway"
    path = f"/check-runs/{run['id']}"
    ended = (await world.call("PATCH", path, json={"conclusion": "success", "output": OUTPUT})).json()
    assert (ended["status"], ended["conclusion"], ended["output"]["title"]) == ("completed", "success", "t")
    assert ended["completed_at"] and (await world.call("GET", path)).json()["external_id"] == "d-1"
    await world.gh.settled()
    assert heard.names[-2:] == ["check_run.created", "check_run.completed"]


async def test_annotations_are_added_fifty_at_a_time(world: World) -> None:
    run = (await make(world, output=OUTPUT | {"annotations": [NOTE] * 50})).json()
    path = f"/check-runs/{run['id']}"
    more = (await world.call("PATCH", path, json={"output": OUTPUT | {"annotations": [NOTE]}})).json()
    assert more["output"]["annotations_count"] == 51
    listed = (await world.call("GET", f"{path}/annotations?per_page=100")).json()
    assert len(listed) == 51 and listed[0]["path"] == "app.py"


WRONG_RUNS: list[Json] = [
    {"name": None},
    {"head_sha": "abc"},
    {"head_sha": "0" * 40},
    {"status": "completed"},
    {"status": "done"},
    {"conclusion": "passed"},
    {"conclusion": "stale"},
    {"details_url": "javascript:alert(1)"},
    {"started_at": "2026-01-01 10:00"},
    {"output": {"title": "t"}},
    {"output": {"summary": "s"}},
    {"output": OUTPUT | {"summary": "s" * 65_536}},
    {"output": OUTPUT | {"annotations": [NOTE] * 51}},
    {"output": OUTPUT | {"annotations": [{"path": "a"}]}},
    {"output": OUTPUT | {"annotations": [NOTE | {"annotation_level": "error"}]}},
    {"output": OUTPUT | {"annotations": [NOTE | {"end_line": 2, "start_column": 1}]}},
    {"actions": [{"label": "l", "description": "d", "identifier": "i"}] * 4},
    {"actions": [{"label": "l" * 21, "description": "d", "identifier": "i"}]},
    {"output": "text"},
    {"name": 7},
]


async def test_a_wrong_check_run_is_refused(world: World) -> None:
    for fields in WRONG_RUNS:
        answer = await make(world, **fields)
        assert answer.status_code == 422 and answer.json()["message"], fields
    assert (await world.call("GET", f"/commits/{world.sha}/check-runs")).json()["total_count"] == 0


async def test_a_refused_change_changes_nothing(world: World) -> None:
    run = (await make(world, output=OUTPUT)).json()
    wrong = {"output": {"title": "new", "summary": "new"}, "actions": [{"label": "l"}]}
    assert (await world.call("PATCH", f"/check-runs/{run['id']}", json=wrong)).status_code == 422
    assert (await world.call("GET", f"/check-runs/{run['id']}")).json()["output"]["title"] == "t"


async def test_bodies_that_are_no_json_objects_are_refused(world: World) -> None:
    for content in (b"{", b"[]", b"\xff"):
        assert (await world.call("POST", "/check-runs", content=content)).status_code == 400


async def test_the_newest_run_of_a_name_is_shown(world: World) -> None:
    old, new = (await make(world)).json(), (await make(world)).json()
    other = (await make(world, name="slipway/scan")).json()
    path = f"/commits/{world.sha}/check-runs"

    async def ids(**query: str) -> list[int]:
        return [one["id"] for one in (await world.call("GET", path, params=query)).json()["check_runs"]]

    assert await ids() == [other["id"], new["id"]]
    assert await ids(filter="all") == [other["id"], new["id"], old["id"]]
    assert await ids(check_name="slipway/scan") == [other["id"]]
    assert await ids(check_name="slipway/preview", app_id="1", filter="all") == [new["id"], old["id"]]
    assert await ids(app_id="2") == []


async def test_suites_follow_their_runs(world: World, heard: Heard) -> None:
    run = (await make(world, conclusion="success")).json()
    path = f"/check-suites/{run['check_suite']['id']}"
    suite = (await world.call("GET", path)).json()
    assert (suite["status"], suite["conclusion"], suite["head_branch"]) == ("completed", "success", "change")
    await make(world, name="slipway/scan", conclusion="failure")
    [suite] = (await world.call("GET", f"/commits/{world.sha}/check-suites")).json()["check_suites"]
    assert suite["conclusion"] == "failure"
    assert (await world.call("GET", f"{path}/check-runs")).json()["total_count"] == 2
    await world.gh.rerequest(run["id"], "bob")
    await world.gh.rerequest_suite(world.name, world.sha, "bob")
    await world.gh.settled()
    assert heard.last("check_run.rerequested")["check_run"]["id"] == run["id"]
    assert heard.last("check_suite.rerequested")["check_suite"]["status"] == "queued"
    assert (await world.call("GET", f"/check-runs/{run['id']}")).json()["conclusion"] == "success"


async def test_a_button_on_a_check_run_is_pressed(world: World, heard: Heard) -> None:
    run = (await make(world, actions=[{"label": "Promote", "description": "d", "identifier": "promote"}])).json()
    await world.gh.press(run["id"], "promote", "bob")
    await world.gh.settled()
    assert heard.last("check_run.requested_action")["requested_action"] == {"identifier": "promote"}


async def test_people_can_not_make_check_runs(world: World) -> None:
    world.gh.grant(world.name, "ada", "admin")
    world.http.headers["Authorization"] = f"Bearer {world.gh.token('ada')}"
    assert (await make(world)).status_code == 403


async def test_statuses_are_set_on_commits(world: World) -> None:
    made = await world.call("POST", f"/statuses/{world.sha}", json={"state": "pending", "context": "slipway"})
    assert made.status_code == 201
    assert [one["state"] for one in (await world.call("GET", f"/commits/{world.sha}/statuses")).json()] == ["pending"]
    long = {"state": "success", "description": "x" * 141}
    assert (await world.call("POST", f"/statuses/{world.sha}", json=long)).status_code == 422


DEPLOYMENT = {"environment": "preview", "auto_merge": False, "required_contexts": [], "transient_environment": True}


async def deploy(world: World, **fields: Any) -> httpx.Response:
    return await world.call("POST", "/deployments", json={"ref": world.sha, **DEPLOYMENT, **fields})


async def test_a_deployment_is_made_listed_and_told(world: World, heard: Heard) -> None:
    made = await deploy(world, payload={"pr": 1}, description="Preview of #1")
    one = made.json()
    assert made.status_code == 201 and (one["sha"], one["creator"]["login"]) == (world.sha, "slipway[bot]")
    for query, found in ((f"?sha={world.sha}&environment=preview", 1), ("?environment=production", 0), ("", 1)):
        assert len((await world.call("GET", f"/deployments{query}")).json()) == found
    assert (await world.call("GET", f"/deployments/{one['id']}")).json()["payload"] == {"pr": 1}
    await world.gh.settled()
    assert heard.last("deployment.created")["deployment"]["environment"] == "preview"


async def test_its_statuses_are_newest_first_and_inactive_is_not_told(world: World, heard: Heard) -> None:
    path = f"/deployments/{(await deploy(world)).json()['id']}/statuses"
    states = ("in_progress", "success", "inactive")
    for state in states:
        body = {"state": state, "environment_url": "http://localhost/", "log_url": "http://localhost/log"}
        assert (await world.call("POST", path, json=body)).status_code == 201
    assert [one["state"] for one in (await world.call("GET", path)).json()] == list(states[::-1])
    await world.gh.settled()
    assert heard.names.count("deployment_status.created") == 2


async def test_checks_that_are_not_green_stop_a_deployment_that_does_not_say_otherwise(world: World) -> None:
    await make(world, status="in_progress")
    answer = await deploy(world, required_contexts=None)
    assert answer.status_code == 409


async def test_a_wrong_deployment_or_status_is_refused(world: World) -> None:
    for fields in ({"ref": "nowhere"}, {"ref": None}, {"environment": 7}, {"required_contexts": "x"}):
        assert (await deploy(world, **fields)).status_code == 422, fields
    path = f"/deployments/{(await deploy(world)).json()['id']}/statuses"
    up: Json = {"state": "success"}
    for body in ({}, {"state": "up"}, up | {"description": "x" * 141}, up | {"log_url": "x"}):
        assert (await world.call("POST", path, json=body)).status_code == 422, body


async def test_only_lasting_environments_retire_their_older_deployments(world: World) -> None:
    async def live(**fields: Any) -> int:
        number: int = (await deploy(world, **fields)).json()["id"]
        await world.call("POST", f"/deployments/{number}/statuses", json={"state": "success"})
        return number

    async def state(number: int) -> str:
        answer = await world.call("GET", f"/deployments/{number}/statuses")
        return str(answer.json()[0]["state"])

    staging = await live(environment="staging", transient_environment=False)
    preview, production = await live(), await live(environment="production", transient_environment=False)
    for environment, transient in (("staging", False), ("preview", True), ("production", False)):
        await live(environment=environment, transient_environment=transient)
    assert [await state(one) for one in (staging, preview, production)] == ["inactive", "success", "success"]
    names = [one["name"] for one in (await world.call("GET", "/environments")).json()["environments"]]
    assert names == ["staging", "preview", "production"]
    assert (await world.call("DELETE", f"/deployments/{preview}")).status_code == 422
    assert (await world.call("DELETE", f"/deployments/{staging}")).status_code == 204


@pytest.fixture
async def shadowed(tmp_path: Path) -> AsyncIterator[DemoGitHub]:
    """A middleware decides which ids and tokens are given."""

    @web.middleware
    async def decide(request: web.Request, handler: Any) -> web.StreamResponse:
        def ids() -> Iterator[int]:
            yield 4001

        request[IDS], request[TOKEN] = ids(), "ghs_1_of.the.other"
        response: web.StreamResponse = await handler(request)
        return response

    async with DemoGitHub(tmp_path, webhook_secret="s", middlewares=[decide]).serve() as github:
        yield github


async def test_another_judge_may_say_which_ids_and_tokens_are_given(shadowed: DemoGitHub) -> None:
    await shadowed.create_repository("acme", "shop", {"a": "b"})
    sha = await shadowed.branch_commit("acme/shop", "x", {"a": "c"}, "c", "ada")
    now = int(shadowed.hub.now())
    claims = {"iat": now - 60, "exp": now + 60, "iss": "1"}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, KEY, algorithm='RS256')}"}
    installation = next(iter(shadowed.hub.installations))
    async with httpx.AsyncClient(base_url=shadowed.url, verify=False) as http:
        made = await http.post(f"/app/installations/{installation}/access_tokens", headers=headers)
        assert made.json()["token"] == "ghs_1_of.the.other"
        headers = {"Authorization": "token ghs_1_of.the.other"}
        run = await http.post("/repos/acme/shop/check-runs", headers=headers, json={"name": "x", "head_sha": sha})
        assert run.json()["id"] == 4001
