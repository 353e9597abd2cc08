"""Whether a name exists and since when; what registries say that can't be believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.scanners.dependencies import Ecosystem, Indexes, Standing, Unanswered, registries
from bot.scanners.dependencies.indexes import NPM, PYPI
from tests.bot.scanners.dependencies.registry import DAY, INDEXES, NOW, Shelf, moment


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(
        pip={"flask": {"1.0": 900.0, "3.0.1": 3.0}, "zope-interface": {"5.0": 50.0}, "old": {"1.0": None}},
        npm={"lodash": {"4.17.20": 900.0}, "@acme/ui": {"1.0.0": 2.0}, "gone": {}},
    )


@pytest.mark.parametrize(
    ("ecosystem", "name", "version", "standing"),
    [
        ("pip", "flask", "3.0.1", Standing(True, NOW - 3 * DAY)),
        ("pip", "flask", "1.0.0", Standing(True, NOW - 900 * DAY)),
        ("pip", "flask", None, Standing(True, NOW - 900 * DAY)),
        ("pip", "flask", "9.9", Standing(True)),
        ("pip", "zope-interface", "5.0", Standing(True, NOW - 50 * DAY)),
        ("pip", "old", "1.0", Standing(True)),
        ("pip", "flaskk", None, Standing(False)),
        ("npm", "lodash", "4.17.20", Standing(True, NOW - 900 * DAY)),
        ("npm", "@acme/ui", "1.0.0", Standing(True, NOW - 2 * DAY)),
        ("npm", "gone", None, Standing(False)),
        ("npm", "nope", "1.0.0", Standing(False)),
    ],
)
async def test_a_name_stands_as_its_registry_says(
    shelf: Shelf, ecosystem: Ecosystem, name: str, version: str | None, standing: Standing
) -> None:
    assert await shelf.registries().standing(ecosystem, name, version) == standing


async def test_a_scope_is_one_part_of_the_address(shelf: Shelf) -> None:
    await shelf.registries().standing("npm", "@acme/ui")
    assert shelf.asked == ["/@acme%2Fui"]


async def test_an_older_index_is_read_as_a_page(shelf: Shelf) -> None:
    page = f"""<!DOCTYPE html><title>Links for flask</title>
    <a href="../../f/Flask-1.0.tar.gz#sha256=1" data-upload-time="{moment(9)}">x</a>
    <a href="https://f.example/flask-2.0-py3-none-any.whl">y</a>"""
    shelf.instead = lambda _: httpx.Response(200, html=page)
    here = shelf.registries()

    assert await here.standing("pip", "flask", "1.0") == Standing(True, NOW - 9 * DAY)
    assert await here.standing("pip", "flask", "2.0") == Standing(True)


def _elsewhere(request: httpx.Request) -> httpx.Response:
    if request.url.host != "python.example":
        raise AssertionError("another host was asked")
    return httpx.Response(302, headers={"location": "https://other.example/simple/flask/"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(500), "answers 500"),
        (httpx.Response(401), "answers 401"),
        (httpx.Response(200, html="<h1>Please log in</h1>"), "no page of the index"),
        (httpx.Response(200, html="<a href='/login'>Log in</a>"), "no page of the index"),
        (httpx.Response(200, json={"name": "other", "files": []}), "no page of the index"),
        (httpx.Response(200, content=b"{" * 99_999, headers={"content-type": "application/json"}), "is no JSON"),
        (httpx.Response(302, headers={"location": "/simple/flask"}), "in circles"),
        (httpx.Response(302, headers={"location": "http://python.example/simple/flask/"}), "another host"),
        (httpx.Response(302, headers={"location": "https://[/"}), "another host"),
        (_elsewhere, "another host"),
        (httpx.ConnectError("no"), "does not answer (ConnectError)"),
    ],
)
async def test_what_is_no_answer_is_never_a_missing_name(shelf: Shelf, answer: object, words: str) -> None:
    def instead(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        said = answer(request) if callable(answer) else answer
        assert isinstance(said, httpx.Response)
        return said

    shelf.instead = instead
    with pytest.raises(Unanswered) as error:
        await shelf.registries().standing("pip", "flask")
    assert words in str(error.value) and str(error.value).count("python.example") == 1


async def test_npm_must_answer_about_the_name_that_was_asked_for(shelf: Shelf) -> None:
    shelf.instead = lambda _: httpx.Response(200, json={"name": "other", "versions": {"1.0.0": {}}})
    with pytest.raises(Unanswered, match="no document"):
        await shelf.registries().standing("npm", "lodash")


async def test_a_name_without_dates_has_no_age(shelf: Shelf) -> None:
    shelf.instead = lambda _: httpx.Response(200, json={"name": "lodash", "versions": {"1.0.0": {}}, "time": "x"})
    assert await shelf.registries().standing("npm", "lodash", "1.0.0") == Standing(True)


async def test_an_answer_without_end_is_not_read_to_the_end(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "LARGEST", 1000)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65536

    shelf.instead = lambda _: httpx.Response(200, content=endless())
    assert await shelf.registries().standing("npm", "lodash") == Standing(True), "it exists, that is all"
    assert read == 1


async def test_a_registry_that_hangs_is_given_up(shelf: Shelf) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    http = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    with pytest.raises(Unanswered, match=r"longer than 0\.05 s"):
        await registries.Registries(INDEXES, http, seconds=0.05).standing("pip", "flask")


async def test_at_most_eight_are_asked_at_once_and_each_name_once() -> None:
    running, most, asked = 0, 0, 0

    async def slow(_: httpx.Request) -> httpx.Response:
        nonlocal running, most, asked
        running, asked = running + 1, asked + 1
        most = max(most, running)
        for _turn in range(5):
            await asyncio.sleep(0)
        running -= 1
        return httpx.Response(404)

    here = registries.Registries(INDEXES, httpx.AsyncClient(transport=httpx.MockTransport(slow)))
    names = [f"n{at}" for at in range(40)]
    await asyncio.gather(*(here.standing("pip", name) for name in names for _ in range(3)))
    assert (most, asked) == (8, 40)


async def test_what_was_learned_is_kept_and_what_was_missing_is_asked_again(shelf: Shelf) -> None:
    here = shelf.registries()
    for _ in range(2):
        await here.standing("pip", "flask", "1.0")
        await here.standing("pip", "flask")
        await here.standing("pip", "new")
    assert len(shelf.asked) == 2

    shelf.now += 601
    await here.standing("pip", "flask", "1.0")
    await here.standing("pip", "flask")
    assert len(shelf.asked) == 2, "a version that came out stays out"
    shelf.packages["python.example"]["new"] = {"1.0": 0.0}
    assert (await here.standing("pip", "new")).exists


async def test_a_second_index_is_asked_for_what_the_first_has_not(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    here = shelf.registries(Indexes((INDEXES.pip[0], tmp_path.as_uri()), INDEXES.npm))

    assert (await here.standing("pip", "inner")).exists
    assert not (await here.standing("pip", "nowhere")).exists


async def test_the_password_of_an_index_goes_to_it_and_into_no_words(shelf: Shelf) -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(503)

    shelf.instead = answer
    with pytest.raises(Unanswered) as error:
        await shelf.registries(Indexes(("https://me:hush@python.example/simple",))).standing("pip", "flask")
    assert seen == [httpx.BasicAuth("me", "hush")._auth_header]
    assert "hush" not in str(error.value) and "me:" not in str(error.value)


def test_the_indexes_are_those_that_installers_here_use(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://conf.example/simple/\nextra-index-url =\n  https://b.example/%s\n"
    )
    told = Indexes.here(home)
    assert told.pip[0] == "https://conf.example/simple" and told.pip[1] == "https://b.example/%s"
    assert told.npm == NPM and told.hosts >= {"conf.example", "b.example"}

    more = {"UV_DEFAULT_INDEX": "inner=https://uv.example/simple", "PIP_INDEX_URL": "https://pip.example/simple"}
    assert (
        Indexes.here(home | more | {"npm_config_registry": "https://n.example/"}).pip[0] == "https://uv.example/simple"
    )
    assert Indexes.here(home | {"npm_config_registry": "https://n.example/"}).npm == "https://n.example"

    (tmp_path / "pip.conf").write_text("no section here")
    assert PYPI.startswith("https://") and Indexes.here(home).pip
