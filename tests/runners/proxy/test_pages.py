"""What one sees while there is no application to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.base import Target
from runners.proxy.pages import LOG_BYTES, tail
from tests.runners.proxy.stage import HOST, Stage


def page(state: str, **more: object) -> Target:
    return Target("page", "0123456789abcdef", state=state, title="Add a cart · 1a2b3c4", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("queued", 503, "Waiting for its turn"),
        ("fetching", 503, "Fetching"),
        ("building", 503, "Building"),
        ("starting", 503, "Starting"),
        ("something new", 503, "Getting ready"),
        ("failed", 502, "failed"),
        ("closed", 410, "closed"),
        ("removed", 410, "gone"),
        ("cancelled", 410, "newer commit"),
        ("refused", 403, "Not previewed"),
    ],
)
async def test_every_state_has_its_page(stage: Stage, state: str, status: int, says: str) -> None:
    await stage.proxy.point(HOST, page(state))
    async with stage.client.get("/any/path") as answer:
        text = await answer.text()
        assert answer.status == status
        assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["X-Slipway-Deployment"] == "0123456789abcdef"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert says in text
    assert "Add a cart · 1a2b3c4" in text
    assert ('content="2"' in text) == (status == 503)
    assert len(text.encode()) < 8 * 1024


async def test_steps_and_log_are_shown_as_text(stage: Stage, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("<script>alert(1)</script>\n\x1b[31mred\x1b[0m\n")
    hostile = Target("page", "d1", state="failed", title="<img src=x>", lines=("<b>fetched</b>",), log=str(log))
    await stage.proxy.point(HOST, hostile)
    status, text = await stage.get("/")
    assert status == 502
    for raw in ("<script>alert", "<img", "<b>", "\x1b"):
        assert raw not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nred" in text
    assert "&lt;b&gt;fetched&lt;/b&gt;" in text


async def test_a_page_runs_no_script_but_its_own(stage: Stage) -> None:
    await stage.proxy.point(HOST, page("building"))
    async with stage.client.get("/") as answer:
        policy, text = answer.headers["Content-Security-Policy"], await answer.text()
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert nonce
    assert f'<script nonce="{nonce}">' in text
    assert "default-src 'none'" in policy


async def test_programs_get_json(stage: Stage, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("one\ntwo\n")
    await stage.proxy.point(HOST, page("building", lines=("fetched",), log=str(log)))
    async with stage.client.get("/", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        told = json.loads(await answer.text())
    assert told["state"] == "building"
    assert told["deployment"] == "0123456789abcdef"
    assert told["lines"] == ["fetched"]
    assert told["log"] == "one\ntwo"
    assert told["live"] is False


async def test_the_status_follows_the_table(stage: Stage, tmp_path: Path) -> None:
    async def status() -> tuple[int, str, bool]:
        async with stage.client.get("/__slipway__/status") as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            told = await answer.json()
            return answer.status, told["state"], told["live"]

    assert await status() == (404, "unknown", False)
    await stage.proxy.point(HOST, page("building"))
    assert await status() == (200, "building", False)
    await stage.proxy.point(HOST, Target("static", "d1", path=str(tmp_path)))
    assert await status() == (200, "live", True)


async def test_an_unknown_hostname_is_told_kindly(stage: Stage) -> None:
    async with stage.client.get("/", headers={"Host": "pr-9--<b>--x.localhost"}) as answer:
        assert answer.status in (400, 404)
        assert "<b>" not in await answer.text()
    async with stage.client.get("/") as answer:
        assert answer.status == 404
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "No preview here" in await answer.text()


async def test_a_hostname_that_is_no_text_is_an_unknown_one(stage: Stage) -> None:
    got = await stage.raw(b"GET / HTTP/1.1\r\nHost: \xff.localhost\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 404 ")


async def test_names_that_are_no_text_are_shown_as_well_as_can_be(stage: Stage) -> None:
    await stage.proxy.point(HOST, Target("page", "d1", state="building", title="caf\udce9"))
    assert "caf?" in (await stage.get("/"))[1]
    async with stage.client.get("/", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 503


async def test_a_live_site_does_not_reload_its_missing_pages(stage: Stage, tmp_path: Path) -> None:
    await stage.proxy.point(HOST, Target("static", "d1", path=str(tmp_path)))
    status, text = await stage.get("/missing")
    assert status == 404
    assert "<script" not in text
    assert "http-equiv" not in text


def test_the_end_of_a_log_is_whole_lines_of_plain_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first line\n" * 5000 + b"10%\r50%\r100%\nwindows\r\n\x1b]0;title\x07bell\x07 \xff \x00nul\n")
    seen = tail(str(log))
    assert len(seen) <= LOG_BYTES
    assert seen.startswith("first line\nfirst line\n")
    assert seen.endswith("first line\n100%\nwindows\nbell \ufffd nul")


def test_a_log_of_one_endless_line_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000)
    assert tail(str(log)) == "x" * LOG_BYTES


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_log_is_nothing(tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert tail(str(log)) == ""
    assert tail(str(tmp_path / "missing")) == ""
