"""The pages people click on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest

from demo.changes import APPS, CHANGES, offer
from demo.github import DemoGitHub
from tests.demo.conftest import Heard, World

PAGE = "/acme/shop/pull/1"


async def press(world: World, deed: str, **form: str) -> httpx.Response:
    return await world.http.post(PAGE, data={"deed": deed, "user": "ann", **form}, follow_redirects=True)


@pytest.fixture
async def page(world: World) -> AsyncIterator[World]:
    world.gh.user("ann")
    world.gh.grant(world.name, "ann", "write")
    yield world


async def test_the_start_page_lists_what_is_open(page: World) -> None:
    text = (await page.http.get("/")).text
    assert "acme/shop" in text and "Say two" in text and PAGE in text


async def test_a_repository_shows_its_files_and_how_to_clone_it(page: World) -> None:
    text = (await page.http.get("/acme/shop")).text
    assert "app.py" in text and f"git clone {page.gh.url}/acme/shop.git" in text


async def test_a_pull_request_shows_conversation_checks_and_deployments(page: World) -> None:
    call = page.call
    output = {"title": "Live in 2 s", "summary": "**fine**", "annotations": []}
    run = {"name": "slipway/preview", "head_sha": page.sha, "conclusion": "success", "output": output}
    number = (await call("POST", "/check-runs", json=run | {"details_url": "http://localhost/d/1"})).json()["id"]
    made = {"ref": page.sha, "environment": "preview", "required_contexts": [], "transient_environment": True}
    deployment = (await call("POST", "/deployments", json=made)).json()["id"]
    live = {"state": "success", "environment_url": "http://pr-1.localhost/", "description": "Live"}
    await call("POST", f"/deployments/{deployment}/statuses", json=live)
    await call("POST", "/issues/1/comments", json={"body": "<!-- hidden -->\n### It **is live**"})
    text = (await page.http.get(PAGE)).text
    for part in ("It <strong>is live</strong>", "Live in 2 s", "http://pr-1.localhost/", "View deployment", ">bot<"):
        assert part in text
    assert "hidden --" not in text
    assert "<strong>fine</strong>" in (await page.http.get(f"/acme/shop/runs/{number}")).text


async def test_a_title_is_only_text(page: World) -> None:
    await page.gh.edit_title(page.name, 1, "<script>alert(1)</script>")
    answer = await page.http.get(PAGE)
    assert "<script>alert" not in answer.text and "alert(1)" in unescape(answer.text)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_comment_is_written_as_whom_one_chooses(page: World, heard: Heard) -> None:
    assert "/promote it" in (await press(page, "comment", body="/promote it\r\nnow")).text
    await page.gh.settled()
    told = heard.last("issue_comment.created")
    assert told["sender"]["login"] == "ann" and told["comment"]["body"] == "/promote it\nnow"


async def test_it_is_closed_reopened_approved_and_merged(page: World) -> None:
    assert "Closed" in (await press(page, "close")).text
    assert "Open" in (await press(page, "reopen")).text
    assert "approved" in (await press(page, "approve")).text
    assert "Merged" in (await press(page, "merge")).text
    refused = await press(page, "merge")
    assert "That did not work: It is not open." in refused.text


async def test_a_prepared_change_is_pushed(page: World, heard: Heard) -> None:
    page.gh.prepare(page.name, 1, "Say nine", {"app.py": "print(9)\n"})
    assert "Say nine" in (await page.http.get(PAGE)).text
    text = (await press(page, "push", title="Say nine")).text
    head = page.gh.hub.pull(page.name, 1).head_sha
    assert head != page.sha and head[:7] in text
    await page.gh.settled()
    assert heard.last("pull_request.synchronize")["after"] == head
    assert "no prepared change" in (await press(page, "push", title="Say nine")).text


async def test_checks_are_asked_for_again(page: World, heard: Heard) -> None:
    action = {"label": "Promote", "description": "d", "identifier": "promote"}
    run = {"name": "x", "head_sha": page.sha, "conclusion": "failure", "actions": [action]}
    number = (await page.call("POST", "/check-runs", json=run)).json()["id"]
    await press(page, "rerun", check=str(number))
    await press(page, "press", check=str(number), identifier="promote")
    await page.gh.settled()
    assert heard.names[-2:] == ["check_run.rerequested", "check_run.requested_action"]


async def test_a_page_that_has_not_changed_is_not_sent_again(page: World) -> None:
    first = await page.http.get(PAGE)
    again = {"If-None-Match": first.headers["ETag"]}
    assert (await page.http.get(PAGE, headers=again)).status_code == 304
    await page.gh.comment(page.name, 1, "ann", "new")
    assert (await page.http.get(PAGE, headers=again)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/no/repo", "/acme/shop/pull/9", "/acme/shop/pull/x", "/_static/x", "/acme/shop/runs/9"]
)
async def test_what_is_not_there_is_not_found(page: World, path: str) -> None:
    assert (await page.http.get(path)).status_code == 404


async def test_another_site_can_not_press_the_buttons(page: World) -> None:
    answer = await page.http.post(PAGE, data={"deed": "merge", "user": "ann"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert (await press(page, "explode")).status_code == 400


async def test_pictures_and_parts_of_the_page_are_there(page: World) -> None:
    for name in ("style.css", "page.js"):
        assert (await page.http.get(f"/_static/{name}")).status_code == 200
    avatar = await page.http.get(f"/avatars/{page.gh.user('ann').id}")
    assert avatar.headers["Content-Type"].startswith("image/svg+xml") and ">A<" in avatar.text


@pytest.mark.parametrize("app", sorted(CHANGES))
async def test_every_sample_app_has_a_change_that_changes_it(gh: DemoGitHub, app: str) -> None:
    await gh.create_repository("acme", app, APPS / app)
    await gh.branch_commit(f"acme/{app}", "x", {"README.md": "new"}, "Begin", "ada")
    number = await gh.open_pull(f"acme/{app}", "x", "main", "t", "", "ada")
    offer(gh, f"acme/{app}", number)
    for change in CHANGES[app]:
        before = gh.hub.pull(f"acme/{app}", number).size.files
        await gh.push_prepared(f"acme/{app}", number, change.title)
        assert gh.hub.pull(f"acme/{app}", number).size.files == before + 1
