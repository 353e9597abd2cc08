"""What the router saw, in the database: it only grows, and what is gone is forgotten."""

from __future__ import annotations

from bot.store import Store, rows, traffic
from runners.base import Target, Traffic

DAY = 86400.0


def seen(requests: int, failures: int = 0, slow: int = 0) -> Traffic:
    return Traffic(requests, failures, requests * 10, (requests - slow, 0, slow))


async def test_nobody_came(store: Store) -> None:
    assert await store.read(traffic.of, "r1") == Traffic()
    assert await store.read(traffic.recent, "r1") == Traffic()


async def test_processes_add_to_one_sum(store: Store, url: str) -> None:
    other = Store.open(url)
    for one in (store, other, store):
        await one.write(traffic.add, {"r1": seen(5, 1, 2), "r2": seen(1)}, 1000.0)
    other.close()
    found = await store.read(traffic.of, "r1")
    assert (found.requests, found.failures, found.bytes_out, found.latency) == (15, 3, 150, (9, 0, 6))
    assert (await store.read(traffic.of, "r2")).requests == 3


async def test_what_is_recent_forgets_what_was_long_ago(store: Store) -> None:
    await store.write(traffic.add, {"r1": seen(100, 90)}, 1000.0)
    for minute in range(1, 30):
        await store.write(traffic.add, {"r1": seen(10)}, 1000.0 + 60 * minute)
    recent = await store.read(traffic.recent, "r1")
    assert recent.failures == 0
    assert 50 <= recent.requests <= 100


async def test_what_no_address_leads_to_is_forgotten_after_a_while(store: Store) -> None:
    for name in ("served", "dropped", "unknown"):
        await store.write(traffic.add, {name: seen(1)}, 1000.0)
        if name != "unknown":
            await store.write(rows.set_route, f"{name}.localhost", name, Target("static", name).as_json())
    await store.write(rows.set_route, "dropped.localhost", "dropped", None)
    await store.write(traffic.forget, 1000.0 + DAY)
    assert (await store.read(traffic.of, "dropped")).requests == 1
    await store.write(traffic.forget, 1000.0 + 8 * DAY)
    left = [(await store.read(traffic.of, name)).requests for name in ("served", "dropped", "unknown")]
    assert left == [1, 0, 0]
