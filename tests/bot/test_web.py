"""The HTTP door: health, numbers, and whose host is whose."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from aiohttp import web as http

from bot import web
from bot.store import Store
from runners.base import Target
from tests.bot.door import Door, opened

ID = "0123456789abcdef"


async def test_healthy_and_ready(door: Door) -> None:
    assert (await door.get("/healthz"))[0].status == 200
    response, text = await door.get("/readyz")
    assert (response.status, json.loads(text)) == (200, {"ready": True, "problems": []})


async def test_not_ready_without_a_runner(door: Door) -> None:
    door.problems.append("Docker does not answer.")
    response, text = await door.get("/readyz")
    assert (response.status, json.loads(text)["problems"]) == (503, ["Docker does not answer."])


async def test_not_ready_without_a_database(door: Door) -> None:
    door.store.close()
    assert (await door.get("/readyz"))[0].status == 503
    assert (await door.get("/healthz"))[0].status == 200


async def test_metrics_say_what_came_and_what_waits(door: Door) -> None:
    before = _number((await door.get("/metrics"))[1], 'slipway_deliveries_total{event="star",state="accepted"}')
    await door.deliver({}, "star")
    response, text = await door.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert _number(text, 'slipway_deliveries_total{event="star",state="accepted"}') == before + 1
    assert _number(text, 'slipway_queue{state="queued"}') == 1
    assert _number(text, 'slipway_deployments{state="live"}') == 0
    assert _number(text, "slipway_webhook_seconds_count") >= 1


def _number(metrics: str, name: str) -> float:
    found = [line for line in metrics.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.mark.parametrize("host", ["x.localhost", "X.LOCALHOST:8000", "x.localhost.", "x.localhost.:80"])
@pytest.mark.parametrize("path", ["/webhook", "/healthz", "/", "/nowhere"])
async def test_a_previews_host_is_the_proxys_whatever_the_path(door: Door, host: str, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        async with door.client.request(method, f"{door.url}{path}", headers={"Host": host}) as response:
            assert response.status == 404
            assert "Cross-Origin-Opener-Policy" not in response.headers  # which only our own answers carry


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:1", "[::1]:8000", "example.org"]
)
async def test_other_hosts_are_ours(door: Door, host: str) -> None:
    response, text = await door.get("/healthz", Host=host)
    assert (response.status, json.loads(text)) == (200, {"alive": True})


async def test_a_preview_gets_its_bodies_as_they_were_sent(door: Door) -> None:
    got: list[bytes] = []

    async def take(request: http.Request) -> http.Response:
        got.append(await request.read())
        return http.Response()

    app = http.Application()
    app.router.add_post("/", take)
    runner = web.runner(app)
    await runner.setup()
    await http.TCPSite(runner, "127.0.0.1", 0).start()
    await door.proxy.point("a.localhost", Target("instance", ID, host="127.0.0.1", port=runner.addresses[0][1]))
    body = gzip.compress(b"x" * 100)
    fields = {"Host": "a.localhost", "Content-Encoding": "gzip"}
    async with door.client.post(door.url, data=body, headers=fields) as response:
        assert response.status == 200
    assert got == [body]
    await runner.cleanup()


async def test_our_own_name_is_ours_also_below_the_previews_domain(store: Store, tmp_path: Path) -> None:
    async with opened(store, tmp_path, base_url="http://slipway.localhost:8000") as door:
        assert (await door.get("/healthz", Host="slipway.localhost:8000"))[0].status == 200
        assert (await door.get("/healthz", Host="pr-1.localhost:8000"))[0].status == 404
