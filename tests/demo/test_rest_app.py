"""The app's way in: JWT, installations, tokens and their narrowing, deliveries."""

from __future__ import annotations

import hashlib
import hmac

import jwt

from tests.demo.conftest import NOW, SECRET, Clock, Heard, Json, World


async def test_the_app_shows_itself(world: World) -> None:
    answer = (await world.as_app("GET", "/app")).json()
    assert (answer["id"], answer["slug"], answer["installations_count"]) == (1, "slipway", 1)


async def test_a_jwt_that_github_would_not_take_is_refused(world: World) -> None:
    now = int(NOW)
    wrong: list[Json] = [{"exp": now + 601}, {"exp": now}, {"iat": now + 60}, {"iss": "2"}, {"exp": "tomorrow"}]
    for change in wrong:
        answer = await world.http.get("/app", headers={"Authorization": f"Bearer {world.jwt(**change)}"})
        assert answer.status_code == 401, change


async def test_only_rs256_of_the_app_s_own_key_opens(world: World) -> None:
    claims = {"iat": int(NOW) - 60, "exp": int(NOW) + 60, "iss": "1"}
    forged = jwt.encode(claims, "x" * 32, algorithm="HS256")
    assert (await world.http.get("/app", headers={"Authorization": f"Bearer {forged}"})).status_code == 401
    wrong = world.jwt().rsplit(".", 1)[0] + ".c2lnbmF0dXJl"
    assert (await world.http.get("/app", headers={"Authorization": f"Bearer {wrong}"})).status_code == 401
    token = await world.login()
    assert (await world.http.get("/app", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_installations_are_listed_and_found_by_repository(world: World) -> None:
    assert [one["id"] for one in (await world.as_app("GET", "/app/installations")).json()] == [world.installation]
    found = (await world.as_app("GET", "/repos/acme/shop/installation")).json()
    assert found["account"]["login"] == "acme" and found["target_type"] == "Organization"
    assert (await world.as_app("GET", f"/app/installations/{world.installation}")).json()["app_slug"] == "slipway"
    assert (await world.as_app("GET", "/app/installations/7")).status_code == 404


async def test_a_token_is_long_and_lives_an_hour(world: World, clock: Clock) -> None:
    token = await world.login()
    assert token.startswith("ghs_1_") and token.count(".") == 2 and len(token) > 400
    assert (await world.http.get("/installation/repositories")).json()["total_count"] == 1
    clock.now += 3601
    assert (await world.http.get("/installation/repositories")).status_code == 401


async def test_a_token_reaches_only_the_repositories_it_is_for(world: World) -> None:
    other = await world.gh.create_repository("acme", "other", {"a": "b"})
    await world.login(repository_ids=[other.id])
    assert (await world.call("GET", "")).status_code == 404
    assert (await world.http.get("/repos/acme/other")).status_code == 200
    assert [one["name"] for one in (await world.http.get("/installation/repositories")).json()["repositories"]] == [
        "other"
    ]


async def test_a_token_may_only_what_it_was_asked_for(world: World) -> None:
    await world.login(permissions={"checks": "read"})
    refused = await world.call("POST", "/check-runs", json={"name": "x", "head_sha": world.sha})
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by integration"
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "checks=write"
    assert (await world.call("GET", f"/commits/{world.sha}/check-runs")).status_code == 200


async def test_a_token_can_not_be_widened(world: World) -> None:
    path = f"/app/installations/{world.installation}/access_tokens"
    wide: list[Json] = [{"permissions": {"administration": "write"}}, {"permissions": {"checks": "all of them"}}]
    for narrow in [*wide, {"repositories": ["nobody-has-this"]}, {"repositories": []}]:
        assert (await world.as_app("POST", path, json=narrow)).status_code == 422, narrow


async def test_an_uninstalled_app_is_shut_out_at_once(world: World, heard: Heard) -> None:
    installation = world.installation
    await world.gh.uninstall("acme")
    await world.gh.settled()
    assert heard.last("installation.deleted")["repositories"][0]["full_name"] == "acme/shop"
    assert (await world.call("GET", "")).status_code == 401
    answer = await world.as_app("POST", f"/app/installations/{installation}/access_tokens")
    assert answer.status_code == 404


async def test_webhooks_are_signed_and_carry_eight_headers(world: World, heard: Heard) -> None:
    await world.gh.settled()
    headers, body = heard.raw[0]
    for name, algorithm in (("X-Hub-Signature", "sha1"), ("X-Hub-Signature-256", "sha256")):
        assert headers[name] == f"{algorithm}={hmac.new(SECRET.encode(), body, algorithm).hexdigest()}"
    assert hashlib.sha256(body).digest()
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert {"X-GitHub-Event", "X-GitHub-Delivery", "X-GitHub-Hook-ID", "X-GitHub-Hook-Installation-Target-ID"} <= set(
        headers
    )
    guids = [one["X-GitHub-Delivery"] for one, _ in heard.raw]
    assert len(set(guids)) == len(guids)


async def test_what_happened_is_told_in_order(world: World, heard: Heard) -> None:
    await world.gh.settled()
    begun = ["create", "push", "check_suite.requested"]
    assert heard.names == ["installation.created", *begun, *begun, "pull_request.opened"]


async def test_failed_deliveries_are_listed_and_sent_again_under_their_guid(world: World, heard: Heard) -> None:
    await world.gh.settled()
    heard.answer = 503
    await world.gh.comment(world.name, 1, "ada", "hello")
    await world.gh.settled()
    failed = (await world.as_app("GET", "/app/hook/deliveries", params={"status": "failure"})).json()
    assert [(one["event"], one["status_code"]) for one in failed] == [("issue_comment", 503)]
    assert failed[0]["status"] == "Invalid HTTP Response: 503"
    heard.answer = 202
    again = await world.as_app("POST", f"/app/hook/deliveries/{failed[0]['id']}/attempts")
    assert again.status_code == 202
    await world.gh.settled()
    assert heard.raw[-1][0]["X-GitHub-Delivery"] == failed[0]["guid"]
    newest = (await world.as_app("GET", "/app/hook/deliveries")).json()[0]
    assert newest["redelivery"] and newest["status"] == "OK" and newest["guid"] == failed[0]["guid"]
    whole = (await world.as_app("GET", f"/app/hook/deliveries/{newest['id']}")).json()
    assert whole["request"]["payload"]["comment"]["body"] == "hello" and whole["response"]["payload"] == "heard"


async def test_an_app_that_is_down_is_a_failed_delivery(world: World) -> None:
    await world.gh.settled()
    world.gh.hook_url = "http://127.0.0.1:9/webhook"
    await world.gh.comment(world.name, 1, "ada", "hello")
    await world.gh.settled()
    assert world.gh.deliveries[-1].status == "failed to connect to host"


async def test_deliveries_are_turned_by_cursor(world: World) -> None:
    await world.gh.settled()
    seen, path = [], "/app/hook/deliveries?per_page=3"
    while path:
        answer = await world.as_app("GET", path)
        seen += [one["id"] for one in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert seen == sorted((one.id for one in world.gh.deliveries), reverse=True)


async def test_nothing_is_sent_where_the_app_is_not_installed(world: World, heard: Heard) -> None:
    await world.gh.settled()
    before = len(heard.events)
    await world.gh.fork(world.name, "eve")
    await world.gh.branch_commit("eve/shop", "mine", {"app.py": "print(4)\n"}, "Say four", "eve")
    await world.gh.settled()
    assert len(heard.events) == before
