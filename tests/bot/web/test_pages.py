"""The pages: what they show, to whom, and how it is escaped."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from bot.models import Deployment, Project, Scan, State
from bot.store import rows
from tests.bot.door import Door

ID = "0123456789abcdef"


def a_deployment(session: Session, /, **fields: Any) -> None:
    session.add(Project(id=7, installation_id=1, owner="acme", name="<b>shop</b>"))
    session.add(
        Deployment(
            **{
                "id": ID,
                "delivery": "g",
                "project_id": 7,
                "number": 12,
                "sha": "a1b2c3d4" * 5,
                "received_at": 1e9,
                "timeline": [[1e9, "accepted"], [1e9 + 2.5, "<script>alert(1)</script>"]],
                "plan": {"language": "python", "start": "python <app>.py", "why": {"language": "app.py & co"}},
                "failure": {
                    "step": "build",
                    "message": "<img src=x>",
                    "hint": "fix {{ it }}",
                    "path": "app.py",
                    "line": 3,
                },
                "state": State.FAILED,
                **fields,
            }
        )
    )
    rows.set_route(session, "pr-12--shop--acme.localhost", ID, {"kind": "page"})
    rows.set_route(session, "c-a1b2c3d--shop--acme.localhost", ID, None)


async def test_the_front_page_counts_and_names_nobody(door: Door) -> None:
    await door.store.write(a_deployment, state=State.LIVE)
    response, text = await door.get("/")
    assert response.status == 200
    assert "<dd>1" in text
    assert "acme" not in text
    assert "shop" not in text


async def test_a_deployment_tells_how_it_went_and_escapes_it(door: Door, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{ID}.log").write_text("\x1b[31mboom\x1b[0m </pre><script>\n")
    await door.store.write(a_deployment)
    _, text = await door.get(f"/deployments/{ID}")
    for shown in (
        *("acme/&lt;b&gt;shop&lt;/b&gt;", "#12", "a1b2c3d", "failed", "+2.5 s", "app.py &amp; co", "app.py:3"),
        *("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;img src=x&gt;", "fix {{ it }}", "python &lt;app&gt;.py"),
        *("boom &lt;/pre&gt;&lt;script&gt;", "http://pr-12--shop--acme.localhost:8000"),
    ):
        assert shown in text
    assert "<script" not in text
    assert "c-a1b2c3d--" not in text
    assert "refresh" not in text


async def test_a_page_of_work_under_way_renews_itself(door: Door) -> None:
    await door.store.write(a_deployment, state=State.BUILDING, plan=None, failure=None)
    _, text = await door.get(f"/deployments/{ID}")
    assert '<meta http-equiv="refresh" content="2">' in text


@pytest.mark.parametrize(("path", "accept"), [("?format=json", "text/html"), ("", "application/json")])
async def test_a_deployment_as_json(door: Door, path: str, accept: str) -> None:
    await door.store.write(a_deployment)
    _, text = await door.get(f"/deployments/{ID}{path}", Accept=accept)
    told = json.loads(text)
    assert (told["id"], told["state"], told["project"]) == (ID, "failed", "acme/<b>shop</b>")
    assert told["timeline"][1] == {"at": 1e9 + 2.5, "words": "<script>alert(1)</script>"}
    assert told["addresses"] == ["http://pr-12--shop--acme.localhost:8000"]


async def test_the_log_is_text(door: Door, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{ID}.log").write_text("<b>line</b>\n" * 10_000)
    await door.store.write(a_deployment)
    response, text = await door.get(f"/deployments/{ID}/log")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.count("\n") == 10_000


def a_scan(session: Session, /, **fields: Any) -> None:
    listed = zlib.compress(b'{"bomFormat":"CycloneDX"}')
    row = {"project_id": 7, "number": 12, "sha": "a1b2c3d4" * 5, "asked_at": 1e9, "sbom": listed, **fields}
    session.add(Scan(**row))


async def test_what_a_deployment_depends_on_can_be_downloaded(door: Door) -> None:
    await door.store.write(a_deployment)
    await door.store.write(a_scan)
    response, text = await door.get(f"/deployments/{ID}/sbom.json")
    assert (response.status, json.loads(text)) == (200, {"bomFormat": "CycloneDX"})
    assert response.headers["Content-Type"] == "application/vnd.cyclonedx+json; version=1.5"
    assert response.headers["Content-Disposition"] == f'attachment; filename="sbom-{ID}.json"'
    assert response.headers["Cache-Control"] == "no-store"
    assert f'href="/deployments/{ID}/sbom.json"' in (await door.get(f"/deployments/{ID}"))[1]


@pytest.mark.parametrize("other", [{"sbom": None}, {"sha": "b" * 40}, {"number": 13}, {"project_id": 8}])
async def test_what_another_commit_depends_on_is_not_shown(door: Door, other: dict[str, Any]) -> None:
    await door.store.write(a_deployment)
    await door.store.write(a_scan, **other)
    response, text = await door.get(f"/deployments/{ID}/sbom.json")
    assert (response.status, text.split(":")[0]) == (404, "There is no list of its dependencies")
    assert "sbom.json" not in (await door.get(f"/deployments/{ID}"))[1]


async def test_what_belongs_to_no_pull_request_was_not_scanned(door: Door) -> None:
    await door.store.write(a_deployment, number=None)
    assert (await door.get(f"/deployments/{ID}/sbom.json"))[0].status == 404


@pytest.mark.parametrize("path", ["", "/log", "/sbom.json", "?format=json"])
@pytest.mark.parametrize("name", ["f" * 16, "../../etc", "A" * 16, "0" * 17])
async def test_an_unknown_deployment_is_not_found(door: Door, name: str, path: str) -> None:
    assert (await door.get(f"/deployments/{name}{path}"))[0].status == 404


@pytest.mark.parametrize("path", ["/", "/nowhere", "/webhook", "/healthz", f"/deployments/{ID}", "/style.css"])
async def test_our_own_answers_say_how_they_may_be_used(door: Door, path: str) -> None:
    response, _ = await door.get(path)
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"
