"""What a policy says of releases, end to end: every rule by its command, on a GitHub that really runs."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import ssl
import time
import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import Session, select

from bot.cli import main
from bot.models import Release, Stage
from bot.permissions import elsewhere
from bot.store import audit, policies, projects
from demo.github.records import Role
from tests.house import SERVER, House, eventually, house
from tests.shipping import noted
from tests.talk import PRODUCTION, answers, ended, last_comment, live, refused, send, twin, write

pytestmark = pytest.mark.slow
STAGING = "env-staging--shop--acme.localhost"
ROBO, NUMBER, APP = "robo[bot]", 5_550_001, 424_242
FREE = "approvals: {count: 0}"
QUICK = "health: {interval: 1s, window: 1s, min_samples: 1}"


PEOPLE: tuple[tuple[str, Role], ...] = (
    ("meg", "maintain"),
    ("moe", "maintain"),
    ("rita", "write"),
    ("carl", "write"),
    ("adam", "admin"),
)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, SLIPWAY_START_SECONDS=6) as one:
        for login, role in PEOPLE:
            one.github.user(login)
            one.github.grant(one.repo, login, role)
        one.github.user(ROBO, id=NUMBER, type="Bot")
        yield one


async def say(home: House, text: str) -> None:
    """The default branch says this now, and Slipway has been told: nothing else is waited for."""
    await home.github.branch_commit(home.repo, "main", {".slipway.yml": text}, "Policy", author="adam")
    await home.github.settled()
    key = f"project:{home.github.hub.repo(home.repo).id}"

    async def known() -> bool | None:
        assert home.service is not None
        row = await home.service.store.read(policies.text_of, key)
        return True if row is not None and row.text == text.encode() else None

    await eventually(known)


async def rule(home: House, production: str, more: str = "") -> None:
    await say(home, f"environments: {{production: {{{production}}}}}\n{more}")


async def shown(home: House, files: dict[str, str] | None = None, **words: Any) -> int:
    """A pull request whose head people see, and whose effect on the policy is known."""
    number = await live(home, files or SERVER, **words)
    await settled(home, number)
    return number


async def settled(home: House, number: int) -> str:
    """Wait until all that is known of a head is known; the head."""
    sha = str(home.github.hub.pull(home.repo, number).head_sha)
    await home.says(number, "is live", sha[:7])
    await noted(home, sha)
    mine = home.github.hub.repo(home.repo).id

    async def looked() -> bool | None:
        assert home.service is not None
        way = await home.service.store.read(policies.of_head, mine, number, sha)
        ended = all(one.status == "completed" for one in home.checks(sha) if one.name == "slipway/preview")
        return True if way is not None and ended else None

    await eventually(looked)
    return sha


async def no(home: House, number: int, body: str, who: str) -> str:
    """Write a command that is refused; its first reason."""
    return str((await refused(home, number, body, who))["reason_code"])


async def yes(home: House, number: int, body: str, who: str) -> None:
    await ended(home, await write(home, number, body, who))


async def closed(home: House, host: str = PRODUCTION) -> None:
    assert (await home.visit(host)).status_code == 404


async def verified(home: House, environment: str = "production") -> Release:
    """Wait until the newest release there has its verdict."""

    def look(session: Session) -> Release | None:
        rows = session.exec(select(Release).where(Release.environment == environment)).all()
        newest = max(rows, key=lambda row: row.generation or 0, default=None)
        return newest if newest is not None and newest.state is Stage.VERIFIED else None

    async def looked() -> Release | None:
        assert home.service is not None
        return await home.service.store.read(look)

    return await eventually(looked)


async def say_as(home: House, number: int, body: str) -> int:
    """A comment as GitHub tells of one that a machine wrote."""
    comment = await write(home, number, "talk", ROBO)
    payload = last_comment(home)
    payload["comment"]["body"] = body
    for who in (payload["comment"]["user"], payload["sender"]):
        who |= {"id": NUMBER, "type": "Bot", "login": ROBO}
    payload["comment"]["performed_via_github_app"] = {"id": APP}
    assert await send(home, "issue_comment", payload) == 202
    return comment


# ---- who


async def test_a_team_deploys_and_nobody_else(home: House) -> None:
    """Write permission and the team; a maintainer who is not in it may not."""
    await rule(home, f"deployers: [team:acme/deploy], {FREE}")
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == "not_permitted"
    assert await no(home, number, "/promote production", "bob") == "not_permitted"
    home.github.join("acme/deploy", "bob")

    await yes(home, number, "/promote production", "bob")

    await home.shows(PRODUCTION, "hello one")
    assert any("/orgs/acme/teams/deploy/memberships/bob" in call.path for call in home.github.calls)


async def test_who_left_the_team_or_the_repository_deploys_no_more(home: House) -> None:
    await rule(home, f"deployers: [team:acme/deploy], {FREE}")
    home.github.join("acme/deploy", "bob")
    number = await shown(home)
    home.github.grant(home.repo, "bob", "read")
    assert await no(home, number, "/promote production", "bob") == "not_permitted"
    home.github.grant(home.repo, "bob", "write")
    home.github.join("acme/deploy", "bob", leave=True)
    assert await no(home, number, "/promote production", "bob") == "not_permitted"


async def test_a_team_that_cannot_be_asked_denies(home: House) -> None:
    """P9"""
    await rule(home, f"deployers: [team:acme/deploy], {FREE}")
    home.github.join("acme/deploy", "meg")
    number = await shown(home)

    def blind(request: web.Request) -> web.Response | None:
        return web.json_response({"message": "no"}, status=403) if "/teams/" in request.path else None

    home.trouble.instead = blind

    assert await no(home, number, "/promote production", "meg") == "permission_unknown"
    await closed(home)


async def test_one_account_by_its_number_deploys_and_goes_back(home: House) -> None:
    bob = home.github.user("bob").id
    await rule(home, f"deployers: [user:{bob}], {FREE}, {QUICK}")
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == "not_permitted"
    await yes(home, number, "/promote production", "bob")
    await verified(home)
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await settled(home, number)
    await yes(home, number, "/promote production", "bob")
    await home.shows(PRODUCTION, "hello two")

    assert await no(home, number, "/rollback production --reason=no", "meg") == "not_permitted"
    await yes(home, number, "/rollback production --reason=bad", "bob")

    await home.shows(PRODUCTION, "hello one")


# ---- approvals


async def test_two_approvals_by_command_and_none_by_who_had_a_hand_in_it(home: House) -> None:
    """P17: author, committer, co-author, who pushed last; the same person twice is one."""
    await rule(home, "approvals: {count: 2, strength: comment}")
    await home.github.branch_commit(home.repo, "change", SERVER, "One", author="carl")
    trailers = [f"Co-authored-by: moe <{home.github.user('moe').email}>"]
    await home.github.branch_commit(home.repo, "change", {"a.txt": "a"}, "Two", author="ann", trailers=trailers)
    number = await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")
    await settled(home, number)
    for who in ("ann", "carl", "moe", "bob", "bob"):
        await yes(home, number, "/approve production", who)
    told = await refused(home, number, "/promote production", "meg")
    assert (told["reason_code"], told["rules"][0]["actual"]) == ("approval_missing", "1")

    await yes(home, number, "/approve production", "rita")
    await yes(home, number, "/promote production", "meg")

    await home.shows(PRODUCTION, "hello one")


async def test_an_approval_by_command_is_for_one_commit_and_one_environment(home: House) -> None:
    await say(
        home,
        "environments: {staging: {approvals: {strength: comment}}, production: {approvals: {strength: comment}}}\n",
    )
    number = await shown(home)
    await yes(home, number, "/approve staging", "bob")
    assert await no(home, number, "/promote production", "meg") == "approval_missing"
    assert await no(home, number, "/approve prodution", "bob") == "unknown_environment"
    await yes(home, number, "/approve production", "bob")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await settled(home, number)

    assert await no(home, number, "/promote production", "meg") == "approval_missing"


async def test_a_word_is_for_what_its_author_saw(home: House) -> None:
    """P1: what was pushed between their look and their word is approved, lifted and acknowledged by nobody."""
    await rule(home, "approvals: {strength: comment}, soak: 7d", "override: {roles: {soak: role:write}}\n")
    number = await shown(home)
    later = await home.push({"app.py": SERVER["app.py"].replace("one", "evil")})
    for body in ("/approve production", "/override soak --reason=now", "/ack dependencies"):
        assert await no(home, number, body, "bob") == "head_moved"
    for short in ("a", later[:6]):
        assert await no(home, number, f"/approve production {short}", "bob") == "head_moved"

    await yes(home, number, f"/approve production {later[:7]}", "bob")


async def test_by_review_only_when_the_policy_says_so(home: House) -> None:
    await rule(home, "approvals: {count: 1}")
    number = await shown(home)
    assert await no(home, number, "/approve production", "bob") == "review_wanted"


async def test_who_wrote_some_of_it_counts_where_the_policy_excludes_nobody(home: House) -> None:
    await rule(home, "approvals: {count: 1, exclude: [author]}")
    await home.github.branch_commit(home.repo, "change", SERVER, "One", author="carl")
    number = await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")
    await settled(home, number)
    await home.github.review(home.repo, number, "carl")

    await yes(home, number, "/promote production", "meg")


# ---- time


def tomorrow(days: int) -> str:
    return f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=days):%a}"


def day(days: int) -> str:
    return f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=days):%Y-%m-%dT00:00}"


SHUT = {
    "soak": ("soak: 7d", "soaking"),
    "window": ('windows: {tz: UTC, allow: ["DAY 00:00-01:00"]}', "window_closed"),
    "freeze": ("freezes: [{from: FROM, to: TO, reason: holidays}]", "frozen"),
}


@pytest.mark.parametrize("name", SHUT)
async def test_time_denies_until_the_named_role_lifts_it_for_one_commit(home: House, name: str) -> None:
    text, code = SHUT[name]
    text = text.replace("DAY", tomorrow(3)).replace("FROM", day(-2)).replace("TO", day(3))
    await rule(home, f"{text}, {FREE}", f"override: {{roles: {{{name}: [role:admin]}}}}\n")
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == code
    assert await no(home, number, f"/override {name} --reason=now", "meg") == "not_permitted"
    assert await no(home, number, "/override permission --reason=now", "adam") == "usage"
    assert await no(home, number, f"/override {name} --reason=now --for=3h", "adam") == "usage"
    await yes(home, number, f"/override {name} --reason=now", "adam")
    assert await no(home, number, "/promote production", "bob") == "not_permitted"

    await yes(home, number, "/promote production", "meg")

    await home.shows(PRODUCTION, "hello one")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await settled(home, number)
    assert await no(home, number, "/promote production", "meg") == code


async def test_a_soak_ends(home: House) -> None:
    await rule(home, f"soak: 4s, {FREE}")
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == "soaking"
    began = time.monotonic()

    async def enough() -> bool | None:
        return True if time.monotonic() - began > 4 else None

    await eventually(enough)
    await yes(home, number, "/promote production", "meg")


@pytest.mark.parametrize("stop", ["freeze", "hold", "lock"])
async def test_what_somebody_put_in_the_way_is_lifted_for_one_commit_and_stays(home: House, stop: str) -> None:
    """The switch itself looks, too, and has to know."""
    await rule(home, FREE, f"override: {{roles: {{{stop}: [role:admin]}}}}\n")
    number = await shown(home)
    await yes(home, number, f"/{stop} production --reason=wait" + (" --for=1d" if stop != "hold" else ""), "moe")
    code = {"freeze": "frozen", "hold": "held", "lock": "locked"}[stop]
    assert await no(home, number, "/promote production", "meg") == code
    await yes(home, number, f"/override {stop} --reason=now", "adam")

    await yes(home, number, "/promote production", "meg")

    await home.shows(PRODUCTION, "hello one")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await settled(home, number)
    assert await no(home, number, "/promote production", "meg") == code


# ---- confirmation (P40)


async def test_a_confirmation_is_for_one_person_one_commit_and_once(home: House) -> None:
    await rule(home, f"confirm: comment, {FREE}")
    number = await shown(home)
    head = str(home.github.hub.pull(home.repo, number).head_sha)
    asked = await refused(home, number, "/promote production", "meg")
    assert (asked["reason_code"], asked["next"]) == (
        "confirmation_missing",
        f"/promote production {head[:7]} --confirm",
    )
    assert await no(home, number, asked["next"], "moe") == "confirmation_missing"
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    later = await settled(home, number)
    assert await no(home, number, "/promote production --confirm", "meg") == "confirmation_missing"

    await yes(home, number, f"/promote production {later[:7]} --confirm", "meg")

    await home.shows(PRODUCTION, "hello two")
    assert await no(home, number, f"/promote production {later[:7]} --confirm", "meg") == "confirmation_missing"


async def test_a_comment_is_no_confirmation_in_the_browser(home: House) -> None:
    """P16"""
    await rule(home, f"confirm: web, {FREE}")
    number = await shown(home)
    for body in ("/promote production", "/promote production --confirm", "/promote production --confirm"):
        assert await no(home, number, body, "meg") == "confirmation_missing"
    await closed(home)


# ---- decided elsewhere


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """Somebody's own service behind TLS: `says` is its answer, `asked` what it was asked."""
    room: dict[str, Any] = {"says": {"allow": True}, "asked": []}

    async def answer(request: web.Request) -> web.Response:
        room["asked"].append((await request.json(), request.headers["X-Slipway-Signature-256"]))
        return web.json_response(room["says"])

    trusting = types.SimpleNamespace(
        AsyncClient=functools.partial(httpx.AsyncClient, verify=False),  # a certificate of this test's own
        HTTPError=httpx.HTTPError,
        InvalidURL=httpx.InvalidURL,
    )
    monkeypatch.setattr(elsewhere, "httpx", trusting)
    app = web.Application()
    app.router.add_post("/ask", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=await asyncio.to_thread(_certified, tmp_path))
    await site.start()
    room["url"] = f"https://127.0.0.1:{runner.addresses[0][1]}/ask"
    yield room
    await runner.cleanup()


def _certified(folder: Path) -> ssl.SSLContext:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    certificate = built.sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    return context


async def test_another_service_has_to_say_yes(home: House, service: dict[str, Any]) -> None:
    await rule(home, f"extra_checks: [{{webhook: {json.dumps(service['url'])}}}], {FREE}")
    number = await shown(home)
    head = home.github.hub.pull(home.repo, number).head_sha
    service["says"] = {"allow": False}
    assert await no(home, number, "/promote production", "meg") == "extra_check_denied"
    service["says"] = {"allow": "yes"}
    assert await no(home, number, "/promote production", "meg") == "extra_check_unknown"
    service["says"] = {"allow": True}

    await yes(home, number, "/promote production", "meg")

    body, signature = next(one for one in reversed(service["asked"]) if one[0]["actor"])  # the gate asks, too
    assert (body["environment"], body["sha"], body["actor"]["login"]) == ("production", head, "meg")
    assert signature.startswith("sha256=")


async def test_a_service_that_is_silent_denies(home: House) -> None:
    await rule(home, f'extra_checks: [{{webhook: "https://127.0.0.1:1/x", timeout: 1s}}], {FREE}')
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == "extra_check_unknown"
    await closed(home)


# ---- environments


async def test_first_staging_then_production(home: House) -> None:
    await say(
        home,
        f"environments: {{staging: {{{FREE}, {QUICK}}}, production: {{promote_from: [staging], {FREE}, {QUICK}}}}}\n",
    )
    number = await shown(home)
    told = await refused(home, number, "/promote production", "meg")
    assert told["reason_code"] == "not_verified_before"
    assert told["next"].startswith("/promote staging ")
    assert await no(home, number, "/promote qa", "meg") == "unknown_environment"

    await yes(home, number, told["next"], "meg")
    await home.shows(STAGING, "hello one")
    await verified(home, "staging")
    await closed(home)
    await yes(home, number, "/promote production", "meg")

    await home.shows(PRODUCTION, "hello one")
    assert {one.environment for one in home.remote()} >= {"staging", "production"}


async def test_the_policy_says_how_a_release_is_watched(home: House) -> None:
    """Its path, how often and for how long; usually it takes five minutes."""
    picky = SERVER | {
        "app.py": SERVER["app.py"].replace(
            "self.send_response(200)", "self.send_response(500 if self.path == '/deep' else 200)"
        )
    }
    await rule(home, f"{FREE}, {QUICK}")
    number = await shown(home, picky)
    began = time.monotonic()
    await yes(home, number, "/promote production", "meg")
    good = await verified(home)
    assert time.monotonic() - began < 120
    assert good.watch is not None and len(good.watch["samples"]) <= 5

    await rule(home, f"{FREE}, health: {{path: /deep}}")
    await home.push({"a.txt": "a"})
    await settled(home, number)

    assert await no(home, number, "/promote production", "meg") == "health_failed"
    await home.shows(PRODUCTION, "hello one")


# ---- the policy itself


async def test_what_is_no_policy_denies_production_and_nothing_else(home: House) -> None:
    await rule(home, f"{FREE}, {QUICK}")
    number = await shown(home)
    await yes(home, number, "/promote production", "meg")
    await verified(home)
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")})
    await settled(home, number)
    await yes(home, number, "/promote production", "meg")
    await say(home, "environments: [\n")
    await home.push({"app.py": SERVER["app.py"].replace("one", "three")})
    await home.shows(home.host(number), "hello three")  # previews go on
    await settled(home, number)

    assert await no(home, number, "/promote production", "meg") == "policy_unreadable"
    await yes(home, number, "/rollback production --reason=bad", "meg")

    await home.shows(PRODUCTION, "hello one")


async def test_a_change_of_the_policy_holds_with_its_push(home: House) -> None:
    number = await shown(home)
    assert await no(home, number, "/promote production", "meg") == "approval_missing"
    await rule(home, FREE)
    await yes(home, number, "/promote production", "meg")
    await rule(home, f"{FREE}, deployers: [role:admin]")
    assert await no(home, number, "/rollback production --reason=x", "meg") == "not_permitted"


async def test_the_books_and_explain_say_by_which_policy(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await rule(home, f"{FREE}, soak: 1s, checks: [{{name: slipway/preview, app: self}}]")
    number = await shown(home)

    async def may() -> bool | None:
        comment = await write(home, number, "/plan production", "meg")
        await ended(home, comment)
        return True if "may be promoted" in answers(home, number)[-1] else None

    await eventually(may)
    await yes(home, number, "/promote production", "meg")
    assert home.service is not None
    store, project = home.service.store, home.github.hub.repo(home.repo).id
    found = await store.read(projects.project, project)
    assert found is not None
    held = await home.service.policies.held(found)
    digest = held.effective.digest

    told = await store.read(lambda session: [json.loads(one.payload) for one in audit.lines(session)])
    by = {one["what"]: one.get("policy") for one in told if one["what"] in ("release.live", "command.done")}
    assert by == {"release.live": digest, "command.done": digest}

    monkeypatch.setenv("SLIPWAY_HOME", str(home.settings.home))
    code = await asyncio.to_thread(
        main,
        ["policy", "explain", "--pr", str(number), "--json"],
        lambda _web, _worker: 0,
        lambda _once: 0,
    )
    said = json.loads(capsys.readouterr().out)
    assert (code, said["allowed"], said["policy"]) == (0, True, digest)
    if said["kind"] == "promote":
        assert said["environment"] == "production"
        assert next(one for one in said["rules"] if one["rule"] == "soak")["layers"] == ["project"]


async def test_an_agent_that_loosens_the_policy_promotes_nothing_with_it(home: House) -> None:
    """P23: a change is judged by the old one, and an agent never loosens what it is judged by."""
    await rule(home, f"{FREE}, soak: 1s", f"agents: {{identities: [{{user: {NUMBER}, name: robo}}]}}\n")
    loose = SERVER | {".slipway.yml": f"environments: {{production: {{{FREE}}}}}\n"}
    number = await shown(home, loose, user=ROBO)
    told = await refused(home, number, "/promote production", "meg")
    assert "policy_loosened" in {one["reason_code"] for one in told["rules"]}
    await closed(home)


# ---- machines


async def test_a_declared_agent_may_what_the_policy_gives_it_and_not_production(home: House) -> None:
    await say(
        home,
        f"environments: {{staging: {{{FREE}, {QUICK}}}, production: {{{FREE}}}}}\n"
        f"agents: {{identities: [{{user: {NUMBER}, name: robo}}], may: {{promote: [staging], rollback: [staging]}}}}\n",
    )
    number = await shown(home, SERVER, user=ROBO)
    await ended(home, await say_as(home, number, "/promote production"), "-1")
    assert twin(answers(home, number)[-1])["reason_code"] == "agent_not_permitted"
    await ended(home, await say_as(home, number, "/promote staging"))
    await home.shows(STAGING, "hello one")
    await verified(home, "staging")
    await home.push({"app.py": SERVER["app.py"].replace("one", "two")}, user=ROBO)
    await settled(home, number)
    await ended(home, await say_as(home, number, "/promote staging"))
    await home.shows(STAGING, "hello two")

    await ended(home, await say_as(home, number, "/rollback staging --reason=bad"))

    await home.shows(STAGING, "hello one")
    await ended(home, await say_as(home, number, "/rollback production --reason=bad"), "-1")
    await ended(home, await say_as(home, number, "/override soak --reason=bad"), "-1")
    await ended(home, await say_as(home, number, "/approve production"), "-1")


async def test_an_author_nobody_can_name_takes_one_more_approval(home: House) -> None:
    """P17"""
    await rule(home, "approvals: {count: 1}")
    await home.github.branch_commit(home.repo, "change", SERVER, "One", author="ann")
    await home.github.branch_commit(home.repo, "change", {"a.txt": "a"}, "Two", author="Some One <some@one.example>")
    number = await home.github.open_pull(home.repo, "change", "main", "A change", "", "ann")
    await settled(home, number)
    await home.github.review(home.repo, number, "bob")
    assert await no(home, number, "/promote production", "meg") == "approval_missing"

    await home.github.review(home.repo, number, "rita")

    await yes(home, number, "/promote production", "meg")
