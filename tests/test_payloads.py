"""Whatever is sent to us, signed or not: an answer below 500, no traceback, and the service goes on.

Two kinds: every example of GitHub's own, and what somebody with the secret or without it could think of.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import hmac
import importlib.util
import io
import itertools
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.contract import contract_folder
from tests.house import SECRET, House, eventually, house
from tests.sizes import soak

pytestmark = pytest.mark.slow

NUMBERS = itertools.count()
LIMIT = 25 * 1024 * 1024
_DUE = "SELECT guid, event, state, error FROM delivery WHERE state <> 'queued' OR run_at <= ?"


@pytest.fixture
async def home(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    async with house(tmp_path) as one:
        yield one
    assert not complaints(caplog)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged with a traceback, or as a fault of ours."""
    told = [one for one in caplog.records if one.exc_info or one.levelno >= logging.ERROR or "Traceback" in one.message]
    return [f"{one.name}: {one.getMessage()} {one.exc_info}" for one in told]


def player() -> ModuleType:
    """The contract kit's module that replays webhooks."""
    folder = contract_folder()
    if folder is None or not (folder / "webhook_player.py").is_file():
        pytest.skip("no contract kit; set SLIPWAY_CONTRACT to its folder")
    spec = importlib.util.spec_from_file_location("webhook_player", folder / "webhook_player.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def signed(body: bytes, event: str = "pull_request", **more: str | None) -> dict[str, str]:
    """Headers of a delivery; None leaves one out."""
    fields: dict[str, str | None] = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": f"made-up-{next(NUMBERS)}",
        "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}


async def send(home: House, body: bytes, headers: dict[str, str], method: str = "POST") -> httpx.Response:
    url = f"http://127.0.0.1:{home.settings.port}/webhook"
    return await home.http.request(method, url, content=body, headers=headers)


async def ready(home: House) -> None:
    answer = await home.http.get(f"http://127.0.0.1:{home.settings.port}/readyz")
    assert answer.status_code == 200, answer.text


def deliveries(home: House) -> list[tuple[str, str, str, str | None]]:
    """(guid, event, state, error) of all that is in the table."""
    path = home.settings.home / "slipway.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as books:
        return books.execute(_DUE, (time.time(),)).fetchall()


async def all_done(home: House, seconds: float = 60.0) -> None:
    """Every delivery has ended, and none of them in failure."""

    left: list[Any] = []

    async def looked() -> bool | None:
        left[:] = [one for one in deliveries(home) if one[2] not in ("done", "superseded")]
        return None if any(one[2] in ("queued", "running") for one in left) else True

    try:
        await eventually(looked, seconds)
    finally:
        assert not left, left


async def test_every_example_of_githubs_is_taken_and_done(home: House) -> None:
    """They speak of repositories that this GitHub does not know; that is told in words and changes nothing else."""
    kit = player()
    examples = [(one["event"], one.get("action"), Path(one["path"])) for one in kit.index()]
    assert len(examples) > 150
    for event, action, path in examples:
        payload = kit.load(event, action, n=int(path.stem.rpartition(".")[2]))
        headers, body = kit.delivery(event, payload, SECRET)
        answer = await send(home, body, headers)
        assert answer.status_code in (200, 202), (path, answer.status_code, answer.text)

    await all_done(home)
    await ready(home)
    number = await home.propose({"index.html": "<h1>still here</h1>"})
    await home.shows(home.host(number), "still here")


async def test_what_is_no_delivery_is_told_so(home: House) -> None:
    """The table of the design."""
    body = b'{"zen": "Keep it logically awesome."}'
    good = signed(body, "ping")
    form = urlencode({"payload": body.decode()}).encode()
    kind = "application/x-www-form-urlencoded"
    table = [
        ("a ping", body, good, 202),
        ("the same again", body, good, 200),
        ("as a form", form, signed(form, "ping", Content_Type=kind), 202),
        ("no signature", body, signed(body, X_Hub_Signature_256=None), 401),
        ("another's signature", body, signed(body, X_Hub_Signature_256="sha256=" + "0" * 64), 401),
        (
            "the old kind of signature only",
            body,
            signed(body, X_Hub_Signature_256=None, X_Hub_Signature="sha1=00"),
            401,
        ),
        ("another body's signature", body, {**good, **signed(b"{}")}, 401),
        ("no event", body, signed(body, X_GitHub_Event=None), 400),
        ("no id", body, signed(body, X_GitHub_Delivery=None), 400),
        ("an event of our own", body, signed(body, "slipway.remove"), 400),
        ("an unknown event", body, signed(body, "unheard_of"), 202),
        ("missing fields", b"{}", signed(b"{}"), 202),
        ("no JSON", b"{", signed(b"{"), 400),
        ("nothing", b"", signed(b""), 400),
        ("a list", b"[]", signed(b"[]"), 400),
        ("a form without its field", b"x=1", signed(b"x=1", Content_Type=kind), 400),
    ]
    for what, content, headers, status in table:
        answer = await send(home, content, headers)
        assert answer.status_code == status, (what, answer.status_code, answer.text)
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        assert (await send(home, b"", {}, method)).status_code == 405

    await all_done(home)
    await ready(home)


async def test_a_body_that_is_too_large_is_not_read_to_its_end(home: House) -> None:
    body = b'{"a": "' + b"x" * (LIMIT + 1024 * 1024) + b'"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", home.settings.port)
    head = "\r\n".join(f"{name}: {value}" for name, value in signed(body).items())
    writer.write(f"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{head}\r\n\r\n".encode())
    await writer.drain()

    async with asyncio.timeout(20):
        status = await reader.readline()
    assert b" 413 " in status
    writer.close()

    async def chunks() -> AsyncIterator[bytes]:
        whole = io.BytesIO(body)
        while chunk := whole.read(256 * 1024):
            yield chunk

    url = f"http://127.0.0.1:{home.settings.port}/webhook"
    try:
        answer = await home.http.post(url, content=chunks(), headers=signed(body))
    except httpx.TransportError:  # it hung up while we were still sending
        pass
    else:
        assert answer.status_code == 413
    await ready(home)


async def test_twenty_five_mebibytes_are_taken(home: House) -> None:
    head, tail = b'{"a": "', b'"}'
    body = head + b"x" * (LIMIT - len(head) - len(tail)) + tail

    assert (await send(home, body, signed(body, "push"))).status_code == 202
    await all_done(home)


STRANGE_BODIES = {
    "deep lists": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an endless number": b'{"a": ' + b"9" * 100_000 + b"}",
    "an endless exponent": b'{"a": 1e999999, "repository": {"id": 1e400}}',
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "another encoding": '{"a": "ü"}'.encode("utf-16"),
    "a mark first": b"\xef\xbb\xbf" + b'{"a": 1}',
    "NUL": b'{"a": "\x00"}',
    "the same key many times": b"{" + b",".join([b'"action": "opened"'] * 10_000) + b"}",
    "a long string": b'{"a": "' + b"x" * 10_000_000 + b'", "action": "' + b"y" * 1_000_000 + b'"}',
    "many keys": json.dumps({f"k{n}": n for n in range(100_000)}).encode(),
}


async def test_strange_bodies_are_answered(home: House) -> None:
    for what, body in STRANGE_BODIES.items():
        form = urlencode({"payload": body}).encode()
        for event in ("pull_request", "push", "installation"):
            answer = await send(home, body, signed(body, event))
            assert answer.status_code in (202, 400), (what, answer.text)
        answer = await send(home, form, signed(form, Content_Type="application/x-www-form-urlencoded"))
        assert answer.status_code in (202, 400, 413), (what, answer.text)

    await all_done(home)
    await ready(home)


STRANGE_NUMBERS: list[Any] = ["1", "; id", True, None, 0, -1, 1.5, 2**31, 2**63 - 1, 2**63, 2**70, 10**400, [], {}]
STRANGE_WORDS: list[Any] = [
    *("", "../..", "a/b", "..", ".", "a\nb", "a\r\nX: y", "a\x00b", "\ud800", "a b", "%2e%2e", "ü", "-x", "a?b#c"),
    *("$(touch /tmp/pwned)", "; rm -rf ~", "`id`", "--upload-pack=touch /tmp/pwned", "x" * 100_000, "\u202e"),
    *(None, 1, True, [], {}, ["a"], {"a": 1}),
]
STRANGE_TEXTS: list[Any] = [
    "",
    "a\x00b",
    "\ud800",
    "\u202e",
    "@all [x](y) <img src=x> --> ```",
    "x" * 100_000,
    None,
    1,
    {},
]
PULL_REQUEST_FIELDS: dict[str, list[Any]] = {
    "repository.id": STRANGE_NUMBERS,
    "repository.name": STRANGE_WORDS,
    "repository.owner.login": STRANGE_WORDS,
    "repository.default_branch": STRANGE_TEXTS,
    "repository": [None, [], "x", 1],
    "repository.owner": [None, [], "x", 1],
    "installation.id": STRANGE_NUMBERS,
    "installation": [None, [], "x", 1],
    "pull_request": [None, [], "x", 1, {}],
    "pull_request.number": STRANGE_NUMBERS,
    "pull_request.head": [None, [], "x", 1, {}],
    "pull_request.head.sha": [*STRANGE_WORDS, "0" * 40, "f" * 64, "F" * 40, "a" * 41],
    "pull_request.head.ref": STRANGE_WORDS,
    "pull_request.head.repo": [None, [], "x", 1, {}, {"id": "x"}, {"id": 2**70}],
    "pull_request.base.ref": STRANGE_TEXTS,
    "pull_request.user": [None, [], "x", 1, {}],
    "pull_request.user.id": STRANGE_NUMBERS,
    "pull_request.user.login": STRANGE_TEXTS,
    "pull_request.user.type": STRANGE_TEXTS,
    "pull_request.title": STRANGE_TEXTS,
    "pull_request.updated_at": [*STRANGE_WORDS, "9999-99-99T99:99:99Z"],
    "pull_request.state": STRANGE_TEXTS,
    "pull_request.merged": STRANGE_TEXTS,
    "sender.type": STRANGE_TEXTS,
    "action": STRANGE_WORDS,
    "number": STRANGE_NUMBERS,
}


def changed(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(payload)
    *above, last = path.split(".")
    node = made
    for name in above:
        node = node[name]
    node[last] = value
    return made


async def known(home: House, event: str, action: str | None) -> dict[str, Any]:
    """A payload that this GitHub sent and that we could act upon."""
    await home.github.settled()
    if event == "installation":  # it came before we listened
        one = next(iter(home.github.hub.installations.values()))
        return {"action": "created", "installation": {"id": one.id, "account": {"login": "acme"}}, "repositories": []}
    found = (one.payload for one in home.github.deliveries if (one.event, one.action) == (event, action))
    return copy.deepcopy(next(found))


async def send_all(home: House, event: str, field: str, payloads: list[dict[str, Any]]) -> None:
    for payload in payloads:
        body = json.dumps(payload).encode()
        guid = f"{event}:{payload.get('action') if field != 'action' else ''}:{field}:{next(NUMBERS)}"
        answer = await send(home, body, signed(body, event, X_GitHub_Delivery=guid))
        assert answer.status_code == 202, (field, answer.text)


async def test_a_pull_request_with_a_strange_field_harms_nobody(home: House) -> None:
    await home.propose({"index.html": "<h1>one</h1>"})
    opened = await known(home, "pull_request", "opened")

    for field, values in PULL_REQUEST_FIELDS.items():
        payloads = [changed(opened, field, value) for value in values[:: soak(1, 2)]]
        for payload in payloads:
            pull = payload.get("pull_request")
            if isinstance(pull, dict) and field != "pull_request.number":
                pull["number"] = 1000 + next(NUMBERS)  # a lane of its own, or one would replace the other
                if field in ("repository.name", "repository.owner.login"):
                    # What was told under one name is changed under another, as GitHub lets it: the judge can't know.
                    payload["repository"]["id"] = 10_000_000 + next(NUMBERS)
        await send_all(home, "pull_request", field, payloads)
        if field.startswith(("pull_request.number", "pull_request.head", "pull_request.updated_at", "pull_request.st")):
            await send_all(home, "pull_request", field, [{**payload, "action": "labeled"} for payload in payloads])
            await send_all(home, "pull_request", field, [{**payload, "action": "closed"} for payload in payloads])

    await all_done(home, 120)
    await ready(home)
    await home.shows(home.host(1), "one")
    assert not Path("/tmp/pwned").exists()


OTHER_FIELDS: list[tuple[str, str | None, str, list[Any]]] = [
    ("push", None, "after", STRANGE_WORDS),
    ("push", None, "ref", STRANGE_WORDS),
    ("push", None, "repository.id", STRANGE_NUMBERS),
    ("push", None, "repository.name", STRANGE_WORDS),
    ("push", None, "deleted", STRANGE_WORDS),
    ("check_suite", "requested", "check_suite.head_sha", STRANGE_WORDS),
    ("check_suite", "requested", "check_suite", [None, [], "x", 1, {}]),
    ("create", None, "ref", STRANGE_WORDS),
    ("installation", None, "installation.id", STRANGE_NUMBERS),
    ("installation", None, "installation.account", [None, [], "x", {"login": "\ud800"}, {"login": 1}]),
    ("installation", None, "repositories", [None, [], "x", 1, [1], [{"id": "x"}], [{"id": 2**70}]]),
]


async def test_other_events_with_a_strange_field_harm_nobody(home: House) -> None:
    await home.propose({"index.html": "<h1>one</h1>"})
    await home.shows(home.host(1), "one")

    for event, action, field, values in OTHER_FIELDS:
        # As what they are, and as what we would act upon.
        also = {"check_suite": "rerequested", "installation": "unsuspend"}.get(event)
        for payload in [changed(await known(home, event, action), field, value) for value in values]:
            await send_all(home, event, field, [payload, {**payload, "action": also}] if also else [payload])
            if event == "create":
                await send_all(home, "delete", field, [payload])
            if event == "installation":
                removed = {**payload, "action": "removed", "repositories_removed": payload["repositories"]}
                await send_all(home, "installation_repositories", field, [removed])

    await all_done(home)
    await ready(home)
    assert "one" in (await home.visit(home.host(1))).text
