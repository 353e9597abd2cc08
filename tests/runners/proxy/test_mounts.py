"""Several services behind one hostname: each request reaches exactly one of them, as it expects to be asked."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp import web

from runners.base import Mount, Target
from runners.proxy.mounts import Way, returned, way
from tests.runners.proxy.stage import HOST, Stage, gone_port

FRONT, BACK, DEEP = (Target("instance", "d1", host=name) for name in ("front", "back", "deep"))


def table(*, strip: bool = True) -> Target:
    return Target(
        "several",
        "d1",
        mounts=(Mount("/api", BACK, strip), Mount("/", FRONT), Mount("/api/deep", DEEP, strip)),
    )


def led(raw: str, *, strip: bool = True) -> tuple[str, str]:
    found = way(table(strip=strip), raw)
    assert found is not None
    return found.target.host, found.path


@pytest.mark.parametrize(
    ("asked", "host", "seen"),
    [
        ("/", "front", "/"),
        ("/?a=/api", "front", "/?a=/api"),
        ("/api", "back", "/"),
        ("/api?x=1", "back", "/?x=1"),
        ("/api/", "back", "/"),
        ("/api/x%2Fy?q=%20", "back", "/x%2Fy?q=%20"),
        ("/api/deep/er", "deep", "/er"),
        ("/api/deeper", "back", "/deeper"),
        ("/apifoo", "front", "/apifoo"),
        ("/api.json", "front", "/api.json"),
        ("/API/x", "front", "/API/x"),
        ("/x/api/y", "front", "/x/api/y"),
        ("//api/x", "front", "//api/x"),
        ("/%61pi/x", "back", "/x"),
        ("/%2561pi/x", "front", "/%2561pi/x"),
        ("/api%2Fx", "front", "/api%2Fx"),
        ("/api%2fdeep/x", "front", "/api%2fdeep/x"),
        ("/api//evil.example/", "back", "/evil.example/"),
        ("/api/../x", "front", "/x"),
        ("/x/../api/y", "back", "/y"),
        ("/api/./x", "back", "/x"),
        ("/api/%2e%2e/x", "front", "/x"),
        ("/api/deep/..", "back", "/"),
        ("/../../api/..", "front", "/"),
        ("/api/..%2fx", "back", "/..%2fx"),
        ("http://elsewhere.example/api/x?y", "back", "/x?y"),
        ("http://elsewhere.example", "front", "/"),
        ("*", "front", "/"),
    ],
)
def test_the_longest_mount_of_whole_segments_is_taken(asked: str, host: str, seen: str) -> None:
    assert led(asked) == (host, seen)


@pytest.mark.parametrize("asked", ["/api", "/api/", "/api/x%2Fy?q=%20", "/%61pi/x", "/api//x"])
def test_a_path_that_is_kept_goes_on_as_it_came(asked: str) -> None:
    assert led(asked, strip=False) == ("back", asked)


def test_what_is_sent_on_lies_below_the_mount_that_was_chosen_whatever_is_asked() -> None:
    """However a path is put together, nobody gets to a service by a path of another one."""
    pieces = ["api", "%61pi", "deep", "..", ".", "%2e.", "", "x", "a%2fapi", "api%00", "\\", "%2Fapi"]
    every = ["/" + "/".join(each) for size in range(1, 5) for each in itertools.product(pieces, repeat=size)]
    for asked in random.Random(7).sample(every, 3000):
        kept, cut = way(table(strip=False), asked), way(table(), asked)
        assert kept is not None and cut is not None
        names = [unquote(one) for one in kept.path.split("/")[1:]]
        wanted = DEEP if names[:2] == ["api", "deep"] else BACK if names[:1] == ["api"] else FRONT
        assert kept.target is cut.target is wanted
        assert ".." not in names and "." not in names
        assert cut.path.startswith("/") and (cut.target is FRONT or not cut.path.startswith("//"))


def test_without_a_front_end_what_lies_outside_leads_nowhere() -> None:
    assert way(Target("several", "d1", mounts=(Mount("/api", BACK),)), "/x") is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/items/", "/api/items/"),
        ("/items/?page=2", "/api/items/?page=2"),
        ("http://shop.example/items/", "http://shop.example/api/items/"),
        ("/login", "/login"),
        ("http://elsewhere.example/items/", "http://elsewhere.example/items/"),
        ("items/", "items/"),
    ],
)
def test_a_slash_at_the_end_is_added_below_the_mount(said: str, told: str) -> None:
    assert returned(said, Way(BACK, "/items", "/api"), "shop.example") == told


async def told(request: web.BaseRequest) -> web.StreamResponse:
    """Answers with what it was asked, or talks when it is a WebSocket."""
    if "upgrade" in request.headers.get("Connection", "").lower():
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request.raw_path)
        await socket.close()
        return socket
    if request.raw_path == "/items":
        return web.Response(status=307, headers={"Location": "/items/"})
    return web.json_response({"path": request.raw_path, "prefix": request.headers.getall("X-Forwarded-Prefix", [])})


@pytest.fixture
async def shop(stage: Stage, tmp_path: Path) -> Stage:
    """A page at `/`, a server below `/api` that does not know of it, one below `/raw` that does."""
    (tmp_path / "index.html").write_text("<p>front")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_text("<p>docs")
    pages = Target("static", "d1", path=str(tmp_path), fallback=True)
    server = await stage.instance(told)
    mounts = (Mount("/", pages), Mount("/api", server, True), Mount("/raw", server), Mount("/site", pages, True))
    await stage.proxy.point(HOST, Target("several", "d1", mounts=mounts))
    return stage


async def test_pages_and_a_server_share_a_hostname(shop: Stage) -> None:
    assert await shop.get("/") == (200, "<p>front")
    assert await shop.get("/any/page", headers={"Accept": "text/html"}) == (200, "<p>front")
    assert json.loads((await shop.get("/api/x?y=1"))[1]) == {"path": "/x?y=1", "prefix": ["/api"]}
    assert json.loads((await shop.get("/raw/x"))[1]) == {"path": "/raw/x", "prefix": []}


async def test_every_answer_is_the_deployments_own(shop: Stage) -> None:
    for path in ("/", "/api/x"):
        async with shop.client.get(path) as answer:
            assert answer.headers["X-Slipway-Deployment"] == "d1"
    assert shop.proxy.traffic()["d1"].requests == 2


async def test_whoever_names_a_prefix_of_their_own_is_not_believed(shop: Stage) -> None:
    status, text = await shop.get("/api/x", headers={"X-Forwarded-Prefix": "/evil"})

    assert (status, json.loads(text)["prefix"]) == (200, ["/api"])


async def test_redirects_stay_below_the_mount(shop: Stage) -> None:
    for path, location in (("/api/items", "/api/items/"), ("/site/docs", "/site/docs/")):
        async with shop.client.get(path, allow_redirects=False) as answer:
            assert answer.headers["Location"] == location


async def test_websockets_go_to_the_part_they_are_for(shop: Stage) -> None:
    async with shop.client.ws_connect("/api/live?room=1") as socket:
        assert (await socket.receive()).data == "/live?room=1"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await shop.client.ws_connect("/apilive")


async def test_a_part_that_does_not_answer_wakes_the_whole(stage: Stage, tmp_path: Path) -> None:
    dead = Target("instance", "d1", host="127.0.0.1", port=await gone_port())
    (tmp_path / "index.html").write_text("<p>front")
    whole = Target(
        "several", "d1", mounts=(Mount("/", Target("static", "d1", path=str(tmp_path))), Mount("/api", dead))
    )
    await stage.proxy.point(HOST, whole)

    assert (await stage.get("/"))[0] == 200
    assert (await stage.get("/api/x"))[0] == 502
    assert stage.woken == [(HOST, whole)]


async def test_while_it_sleeps_no_part_answers(stage: Stage) -> None:
    server = await stage.instance(told)
    whole = Target("several", "d1", mounts=(Mount("/", server),))
    await stage.proxy.point(HOST, dataclasses.replace(whole, asleep=True))

    async def wake(_host: str, _target: Target) -> None:
        await stage.proxy.point(HOST, whole)

    stage.on_wake = wake
    assert json.loads((await stage.get("/x"))[1])["path"] == "/x"


async def test_outside_of_all_mounts_there_is_no_such_page(stage: Stage) -> None:
    await stage.proxy.point(HOST, Target("several", "d1", mounts=(Mount("/api", await stage.instance(told)),)))

    assert (await stage.get("/x"))[0] == 404
