"""POST /webhook, over a socket and a real database."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from bot import web
from bot.deliveries import unpack
from bot.errors import Misconfigured
from bot.models import Delivery, Work
from bot.store import Store, engine
from bot.web.webhook import LIMIT, read, signed
from tests.bot.door import SECRET, Door, form, headers, signature
from tests.bot.door import settings as door_settings
from tests.bot.payloads import all_payloads


def kept(session: Session) -> list[Delivery]:
    return list(session.exec(select(Delivery)))


async def test_a_delivery_is_in_the_database_before_it_is_acknowledged(door: Door) -> None:
    payload = {"repository": {"id": 7}, "installation": {"id": 3}, "ref": "é"}
    assert await door.deliver(payload, guid="one") == (202, {"delivery": "one", "state": "accepted"})
    (row,) = await door.store.read(kept)
    assert (row.guid, row.event, row.key, row.project_id, row.installation_id) == ("one", "push", "7", 7, 3)
    assert (row.state, unpack(row.body)) == (Work.QUEUED, payload)


async def test_a_delivery_seen_before_changes_nothing(door: Door) -> None:
    await door.deliver({"n": 1})
    assert await door.deliver({"n": 2}) == (200, {"delivery": "g", "state": "seen"})
    (row,) = await door.store.read(kept)
    assert unpack(row.body) == {"n": 1}


async def test_of_twenty_redeliveries_at_once_one_is_accepted(door: Door) -> None:
    answers = await asyncio.gather(*(door.deliver({"n": 1}) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] * 19 + [202]


@pytest.mark.parametrize("event", ["ping", "star", "no.such-event"])
async def test_unknown_events_are_taken_too(door: Door, event: str) -> None:
    assert (await door.deliver({"zen": "x"}, event))[0] == 202


async def test_a_form_is_taken_like_json(door: Door) -> None:
    body = form('{"repository": {"id": 7}, "ref": "a+b é&="}')
    fields = headers(body, Content_Type="application/x-www-form-urlencoded; charset=utf-8")
    assert (await door.post(body, fields))[0] == 202
    (row,) = await door.store.read(kept)
    assert unpack(row.body) == {"repository": {"id": 7}, "ref": "a+b é&="}


async def test_a_body_of_the_largest_size_is_taken(door: Door) -> None:
    body = b'{"x": "' + b"x" * (LIMIT - 9) + b'"}'
    assert len(body) == LIMIT
    assert (await door.deliver(body))[0] == 202


async def test_a_body_in_pieces_is_taken(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"a"', b": ", b"1}"):
            yield piece

    assert (await door.post(pieces(), headers(b'{"a": 1}')))[0] == 202


@pytest.mark.parametrize(("event", "payload"), all_payloads())
async def test_githubs_examples_are_taken(
    door: Door, event: str, payload: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert (await door.deliver(payload, event))[0] == 202
    assert (await door.deliver(payload, event))[0] == 200
    assert not [record for record in caplog.records if record.exc_info]


# What is not taken.


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "sha256=", "sha256=" + "0" * 64, "sha256=ü", "sha1=" + "0" * 40, signature(b"other")),
        *(signature(b"{}", "other"), signature(b"{}").upper(), signature(b"{}") + " x", signature(b"{}")[7:]),
    ],
)
async def test_a_wrong_signature_is_refused(door: Door, wrong: str) -> None:
    fields = headers(b"{}", X_Hub_Signature_256=wrong, X_Hub_Signature="sha1=" + "0" * 40)
    assert (await door.post(b"{}", fields))[0] == 401
    assert await door.store.read(kept) == []


async def test_bytes_that_are_no_text_in_the_signature_are_refused(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: g\r\n")
    writer.write(b"X-Hub-Signature-256: sha256=\xff\xfe\xe9\r\nContent-Length: 2\r\n\r\n{}")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def test_the_signature_comes_before_everything_else(door: Door) -> None:
    assert (await door.post(b"not json", {"X-Hub-Signature-256": "sha256=0"}))[0] == 401


@pytest.mark.parametrize("missing", ["X_GitHub_Event", "X_GitHub_Delivery"])
@pytest.mark.parametrize("value", ["", "with space", "x" * 300])
async def test_a_missing_or_odd_header_is_refused(door: Door, missing: str, value: str) -> None:
    assert (await door.post(b"{}", headers(b"{}", **{missing: value})))[0] == 400


async def test_nobody_else_sends_what_our_clock_sends(door: Door) -> None:
    assert (await door.deliver({}, "slipway.expire"))[0] == 400


BAD = [
    *(b"", b"{", b"[]", b'"x"', b"1", b"null", b"{} {}", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": "\xff"}'),
    *(b"[" * 200_000, b'{"a":' * 200_000, b'{"n": ' + b"9" * 10_000 + b"}", b"\x00", b"\xff\xfe{\x00}\x00"),
    gzip.compress(b"{}"),
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
async def test_what_is_no_json_object_is_refused(door: Door, body: bytes) -> None:
    assert (await door.deliver(body))[0] == 400
    assert (await door.deliver(body, Content_Encoding="gzip"))[0] == 400
    assert await door.store.read(kept) == []


@pytest.mark.parametrize(
    "body", [b"", b"payload", b"other={}", b"payload=[]", b"payload=%ff", b"payload=\xff", b"&" * 50, b"a=1&" * 50]
)
async def test_a_form_without_a_payload_is_refused(door: Door, body: bytes) -> None:
    fields = headers(body, Content_Type="application/x-www-form-urlencoded")
    assert (await door.post(body, fields))[0] == 400


@pytest.mark.parametrize(
    "text",
    [
        *('{"action": "a", "action": "b"}', '{"action": "\\ud800"}', '{"action": "\\u0000"}', '{"number": 1e400}'),
        *(
            '{"repository": {"id": 99999999999999999999}}',
            '{"installation": {"id": -1}}',
            '{"a": ' + "[" * 200 + "]" * 200 + "}",
        ),
    ],
)
async def test_odd_json_is_taken_and_does_no_harm(door: Door, text: str) -> None:
    assert (await door.deliver(text.encode(), "pull_request"))[0] == 202
    assert len(await door.store.read(kept)) == 1


@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused_or_read(body: bytes, kind: str) -> None:
    fields = headers(body, Content_Type=kind)
    try:
        read(fields, body, SECRET.encode())
    except Exception as refused:
        assert getattr(refused, "status", None) == 400


async def test_a_body_that_is_too_large_is_refused_unread(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1))
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_a_body_that_grows_too_large_is_refused(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 2**20 + 1):
            yield b"x" * 2**20

    assert (await door.post(endless(), headers(b"")))[0] == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(door: Door, method: str) -> None:
    async with door.client.request(method, f"{door.url}/webhook") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_what_cannot_be_kept_is_not_acknowledged(door: Door, url: str) -> None:
    raw = sqlite3.connect(engine.path_of(url))
    raw.execute("ALTER TABLE delivery RENAME TO gone")
    raw.close()
    assert (await door.deliver({"a": 1}))[0] == 503
    raw = sqlite3.connect(engine.path_of(url))
    raw.execute("ALTER TABLE gone RENAME TO delivery")
    raw.close()
    assert (await door.deliver({"a": 1}))[0] == 202


async def test_a_closed_store_is_said_to_be_closed(door: Door) -> None:
    door.store.close()
    assert (await door.deliver({"a": 1}))[0] == 503


def test_without_a_secret_there_is_no_door(store: Store, tmp_path: Path) -> None:
    empty = door_settings(tmp_path).model_copy(update={"github_webhook_secret": ""})
    with pytest.raises(Misconfigured, match="GITHUB_WEBHOOK_SECRET"):
        web.application(empty, store, proxy=None, ready=None)  # type: ignore[arg-type]


def test_only_the_right_signature_is_right() -> None:
    assert signed(b"x", signature(b"x"), SECRET.encode())
    assert not signed(b"x", signature(b"x").replace("sha256", "sha1"), SECRET.encode())
