"""Pull requests over REST, and what is told when they change."""

from __future__ import annotations

import base64

import pytest

from demo.github import Missing, NotMergeable
from tests.demo.conftest import Heard, World


async def test_a_pull_request_is_shown_whole(world: World) -> None:
    pull = (await world.call("GET", "/pulls/1")).json()
    assert pull["head"]["sha"] == world.sha and pull["head"]["ref"] == "change"
    assert (pull["commits"], pull["additions"], pull["deletions"], pull["changed_files"]) == (1, 1, 1, 1)
    assert pull["mergeable"] is True and pull["user"]["login"] == "ada" and pull["user"]["id"] > 2**32


async def test_its_files_and_commits_are_listed(world: World) -> None:
    [file] = (await world.call("GET", "/pulls/1/files")).json()
    assert (file["filename"], file["status"]) == ("app.py", "modified")
    assert file["patch"] == "@@ -1 +1 @@\n-print(1)\n+print(2)"
    [commit] = (await world.call("GET", "/pulls/1/commits")).json()
    assert commit["sha"] == world.sha and commit["author"]["login"] == "ada"


async def test_renamed_removed_and_binary_files_are_told_apart(world: World) -> None:
    await world.gh.branch_commit(
        world.name,
        "change",
        {"site/index.html": "<h1>hello</h1>\n", 'odd "näme"\n.txt': "x", "logo.png": b"\0\1\2"},
        "Move",
        "ada",
        delete=["web/index.html"],
    )
    files = {one["filename"]: one for one in (await world.call("GET", "/pulls/1/files")).json()}
    assert files["site/index.html"]["previous_filename"] == "web/index.html"
    assert files['odd "näme"\n.txt']["status"] == "added"
    assert "patch" not in files["logo.png"]


async def test_lists_are_filtered_by_state_head_and_base(world: World) -> None:
    async def numbers(query: str) -> list[int]:
        return [one["number"] for one in (await world.call("GET", f"/pulls{query}")).json()]

    assert await numbers("") == [1]
    assert await numbers("?head=acme:change&base=main") == [1]
    assert await numbers("?head=eve:change") == []
    assert await numbers("?state=closed") == []
    await world.gh.close_pull(world.name, 1)
    assert await numbers("?state=all") == [1]


async def test_lists_come_in_pages_with_links(world: World) -> None:
    for number in range(35):
        await world.gh.comment(world.name, 1, "ada", f"comment {number}")
    seen, url = [], "/repos/acme/shop/issues/1/comments?per_page=10"
    pages = 0
    while url:
        answer = await world.http.get(url)
        seen += [one["body"] for one in answer.json()]
        url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert pages == 4 and seen == [f"comment {number}" for number in range(35)]


async def test_an_unchanged_answer_costs_nothing(world: World) -> None:
    first = await world.call("GET", "/pulls/1")
    again = await world.call("GET", "/pulls/1", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.content == b""
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    await world.gh.comment(world.name, 1, "ada", "something")
    later = await world.call("GET", "/pulls/1", headers={"If-None-Match": first.headers["ETag"]})
    assert later.status_code == 200


async def test_five_thousand_calls_are_enough_for_an_hour(world: World) -> None:
    await world.call("GET", "/pulls/1")
    for token in world.gh.hub.tokens.values():
        token.used = 5000
    refused = await world.call("GET", "/pulls/1")
    assert refused.status_code == 403 and refused.headers["X-RateLimit-Remaining"] == "0"


async def test_what_is_not_there_is_not_found(world: World) -> None:
    paths = [("GET", "/pulls/2"), ("GET", "/pulls/x"), ("GET", "/nothing"), ("GET", "/issues/comments/1")]
    for method, path in [*paths, ("PUT", "/pulls/1"), ("GET", f"/pulls/{'9' * 30}")]:
        answer = await world.call(method, path)
        assert answer.status_code == 404 and answer.json()["message"] == "Not Found"


async def test_strangers_don_t_learn_that_a_private_repository_exists(world: World) -> None:
    del world.http.headers["Authorization"]
    assert (await world.call("GET", "")).status_code == 404
    world.http.headers["Authorization"] = "Bearer nonsense"
    assert (await world.call("GET", "")).status_code == 401


async def test_the_same_api_answers_where_enterprise_server_has_it(world: World) -> None:
    assert (await world.http.get("/api/v3/repos/acme/shop/pulls/1")).json()["number"] == 1


async def test_comments_are_written_edited_listed_and_removed(world: World, heard: Heard) -> None:
    made = await world.call("POST", "/issues/1/comments", json={"body": "first"})
    assert made.status_code == 201 and made.json()["performed_via_github_app"]["slug"] == "slipway"
    number = made.json()["id"]
    assert made.json()["user"] | {"login": "slipway[bot]", "type": "Bot"} == made.json()["user"]
    await world.call("PATCH", f"/issues/comments/{number}", json={"body": "second"})
    assert (await world.call("GET", f"/issues/comments/{number}")).json()["body"] == "second"
    assert (await world.call("DELETE", f"/issues/comments/{number}")).status_code == 204
    assert (await world.call("GET", "/issues/1/comments")).json() == []
    await world.gh.settled()
    assert heard.names[-3:] == [f"issue_comment.{action}" for action in ("created", "edited", "deleted")]
    assert heard.last("issue_comment.edited")["changes"]["body"]["from"] == "first"


async def test_a_comment_must_be_there_and_not_too_long(world: World) -> None:
    for body, code in (({}, "missing_field"), ({"body": "x" * 65537}, "custom")):
        answer = await world.call("POST", "/issues/1/comments", json=body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["code"] == code


async def test_a_comment_by_a_person_is_told_with_the_pull_request(world: World, heard: Heard) -> None:
    number = await world.gh.comment(world.name, 1, "ada", "/promote production")
    await world.gh.settled()
    told = heard.last("issue_comment.created")
    assert told["comment"]["id"] == number and "pull_request" in told["issue"]
    assert told["comment"]["performed_via_github_app"] is None and told["sender"]["type"] == "User"


async def test_a_reaction_is_given_once(world: World) -> None:
    number = await world.gh.comment(world.name, 1, "ada", "/promote")
    path = f"/issues/comments/{number}/reactions"
    first = await world.call("POST", path, json={"content": "eyes"})
    again = await world.call("POST", path, json={"content": "eyes"})
    assert (first.status_code, again.status_code) == (201, 200) and first.json()["id"] == again.json()["id"]
    assert (await world.call("POST", path, json={"content": "ok"})).status_code == 422
    assert [one["content"] for one in (await world.call("GET", path)).json()] == ["eyes"]
    shown = (await world.call("GET", f"/issues/comments/{number}")).json()
    assert shown["reactions"]["eyes"] == 1
    assert (await world.call("DELETE", f"{path}/{first.json()['id']}")).status_code == 204


async def test_roles_are_told_exactly_and_coarsely(world: World) -> None:
    for role, coarse in (("admin", "admin"), ("maintain", "write"), ("triage", "read"), ("none", "none")):
        world.gh.grant(world.name, "ada", role)  # type: ignore[arg-type]
        answer = (await world.call("GET", "/collaborators/ada/permission")).json()
        assert (answer["permission"], answer["role_name"]) == (coarse, role)
    assert (await world.call("GET", "/collaborators/nobody/permission")).status_code == 404


async def test_reviews_are_given_at_the_head_and_not_by_the_author(world: World, heard: Heard) -> None:
    await world.gh.review(world.name, 1, "bob")
    [one] = (await world.call("GET", "/pulls/1/reviews")).json()
    assert (one["state"], one["commit_id"], one["user"]["login"]) == ("APPROVED", world.sha, "bob")
    await world.gh.settled()
    assert heard.last("pull_request_review.submitted")["review"]["state"] == "approved"
    world.gh.grant(world.name, "ada", "write")
    world.http.headers["Authorization"] = f"token {world.gh.token('ada')}"
    assert (await world.call("POST", "/pulls/1/reviews", json={"event": "APPROVE"})).status_code == 422


async def test_merging_makes_a_commit_with_two_parents(world: World, heard: Heard) -> None:
    stale = await world.call("PUT", "/pulls/1/merge", json={"sha": "0" * 40})
    assert stale.status_code == 409
    answer = await world.call("PUT", "/pulls/1/merge", json={"sha": world.sha})
    sha = answer.json()["sha"]
    merged = (await world.call("GET", f"/commits/{sha}")).json()
    assert [parent["sha"] for parent in merged["parents"]][1] == world.sha
    assert (await world.call("GET", "/pulls/1")).json()["merge_commit_sha"] == sha
    assert (await world.call("GET", "/pulls/1/merge")).status_code == 204
    assert (await world.call("PUT", "/pulls/1/merge")).status_code == 405
    await world.gh.settled()
    assert heard.last("pull_request.closed")["pull_request"]["merged"] is True
    assert heard.last("push")["ref"] == "refs/heads/main"


async def test_squashing_makes_one_commit_by_the_author(world: World) -> None:
    sha = await world.gh.merge_pull(world.name, 1, "bob", "squash")
    commit = await world.gh.hub.repo(world.name).git.commit(sha)
    assert commit.message == "Say two (#1)" and len(commit.parents) == 1 and commit.author.name == "ada"


async def test_branches_that_grew_apart_are_joined_and_conflicts_are_not(world: World) -> None:
    await world.gh.branch_commit(world.name, "main", {"new.txt": "new\n"}, "Another file", "bob")
    pull = (await world.call("GET", "/pulls/1")).json()
    assert pull["mergeable"] is True
    await world.gh.branch_commit(world.name, "main", {"app.py": "print(9)\n"}, "The same line", "bob")
    pull = (await world.call("GET", "/pulls/1")).json()
    assert (pull["mergeable"], pull["mergeable_state"]) == (False, "dirty")
    with pytest.raises(NotMergeable):
        await world.gh.merge_pull(world.name, 1)


async def test_three_way_merges_keep_both_sides(world: World) -> None:
    await world.gh.branch_commit(world.name, "main", {"new.txt": "new\n"}, "Another file", "bob")
    sha = await world.gh.merge_pull(world.name, 1)
    files = (await world.call("GET", f"/contents?ref={sha}")).json()
    assert {one["name"] for one in files} == {"app.py", "logo.png", "new.txt", "web"}


async def test_every_step_of_its_life_is_told(world: World, heard: Heard) -> None:
    gh, name = world.gh, world.name
    await gh.set_draft(name, 1, True)
    await gh.set_draft(name, 1, False)
    await gh.label(name, 1, "preview", "bob")
    await gh.branch_commit(name, "staging", {"a": "b"}, "Staging", "bob")
    await gh.edit_base(name, 1, "staging")
    await gh.close_pull(name, 1, "bob")
    await gh.reopen(name, 1)
    await gh.delete_branch(name, "change", "ada")
    await gh.settled()
    told = [one.removeprefix("pull_request.") for one in heard.names if one.startswith("pull_request.")]
    steps = ["converted_to_draft", "ready_for_review", "labeled", "edited", "closed", "reopened", "closed"]
    assert told == ["opened", *steps]
    assert heard.last("pull_request.edited")["changes"]["base"]["ref"]["from"] == "main"
    assert heard.last("delete")["ref"] == "change"
    with pytest.raises(Missing):
        await gh.reopen(name, 1)


async def test_a_fork_s_pull_request_is_fetched_from_the_base(world: World, heard: Heard) -> None:
    await world.gh.fork(world.name, "eve")
    sha = await world.gh.branch_commit("eve/shop", "mine", {"app.py": "print(4)\n"}, "Say four", "eve")
    number = await world.gh.open_pull("eve/shop", "mine", "main", "Four", "", "eve", fork_of=world.name)
    pull = (await world.call("GET", f"/pulls/{number}")).json()
    assert pull["head"]["repo"]["full_name"] == "eve/shop" and pull["head"]["repo"]["fork"] is True
    assert await world.gh.hub.repo(world.name).git.resolve(sha) == sha
    newer = await world.gh.branch_commit("eve/shop", "mine", {"app.py": "print(5)\n"}, "Say five", "eve")
    await world.gh.settled()
    assert heard.last("pull_request.synchronize")["after"] == newer
    checks = await world.call("POST", "/check-runs", json={"name": "x", "head_sha": newer})
    assert checks.json()["pull_requests"] == []


async def test_files_are_read_as_json_raw_and_as_folders(world: World) -> None:
    one = (await world.call("GET", "/contents/web/index.html?ref=change")).json()
    assert base64.b64decode(one["content"]) == b"<h1>hello</h1>\n"
    raw = await world.call("GET", "/contents/app.py", headers={"Accept": "application/vnd.github.raw+json"})
    assert raw.text == "print(1)\n"
    assert [row["path"] for row in (await world.call("GET", "/contents/web")).json()] == ["web/index.html"]
    for path in ("/contents/nope", "/contents/../app.py", "/contents/app.py?ref=nope", "/contents/app.py?ref=--help"):
        assert (await world.call("GET", path)).status_code == 404


async def test_commits_branches_refs_and_comparisons_are_read(world: World) -> None:
    main = (await world.call("GET", "/branches/main")).json()["commit"]["sha"]
    assert (await world.call("GET", "/commits/change")).json()["sha"] == world.sha
    assert (await world.call("GET", f"/commits/{world.sha[:9]}")).json()["files"][0]["filename"] == "app.py"
    assert (await world.call("GET", "/git/ref/heads/change")).json()["object"]["sha"] == world.sha
    assert {one["name"] for one in (await world.call("GET", "/branches")).json()} == {"main", "change"}
    compared = (await world.call("GET", "/compare/main...change")).json()
    assert (compared["status"], compared["ahead_by"], compared["merge_base_commit"]["sha"]) == ("ahead", 1, main)
    assert [one["number"] for one in (await world.call("GET", f"/commits/{world.sha}/pulls")).json()] == [1]
    assert (await world.call("GET", f"/commits/{main}/pulls")).json() == []
    assert (await world.call("GET", f"/git/commits/{world.sha}")).json()["message"].startswith("Say two")
    assert (await world.call("GET", "/commits?sha=change")).json()[0]["sha"] == world.sha


async def test_a_renamed_repository_redirects_to_its_number(world: World) -> None:
    await world.gh.rename_repository(world.name, "store")
    answer = await world.call("GET", "/pulls/1?x=y")
    assert answer.status_code == 301 and "/repositories/" in answer.headers["Location"]
    followed = await world.http.get(answer.headers["Location"])
    assert followed.json()["base"]["repo"]["full_name"] == "acme/store"


async def test_labels_reactions_and_changes_come_over_rest_too(world: World) -> None:
    assert [one["name"] for one in (await world.call("POST", "/issues/1/labels", json={"labels": ["a"]})).json()] == [
        "a"
    ]
    assert (await world.call("POST", "/issues/1/reactions", json={"content": "rocket"})).status_code == 201
    assert (await world.call("GET", "/issues/1")).json()["reactions"]["rocket"] == 1
    changed = await world.call("PATCH", "/pulls/1", json={"title": "New title", "state": "closed"})
    assert (changed.json()["title"], changed.json()["state"]) == ("New title", "closed")
    opened = await world.call("POST", "/pulls", json={"title": "Again", "head": "change", "base": "main"})
    assert opened.status_code == 201 and opened.json()["number"] == 2
    assert (await world.call("POST", "/pulls", json={"title": "t", "head": "no", "base": "main"})).status_code == 422


async def test_every_call_is_kept(world: World) -> None:
    await world.call("POST", "/issues/1/comments", json={"body": "hello"})
    call = world.gh.calls[-1]
    assert (call.method, call.path, call.status) == ("POST", "/repos/acme/shop/issues/1/comments", 201)
    assert call.body == {"body": "hello"} and call.at == world.gh.hub.now()
