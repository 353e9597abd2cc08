"""A front end and a back end in one repository are one preview: `/` is the page, `/api` the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, house
from tests.shipping import approved, promote, rollback

pytestmark = pytest.mark.slow

SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(f"one: {self.path}".encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
FILES = {
    "README.md": "# Two services",
    "frontend/index.html": "<h1>the page</h1><script>fetch('/api/todos')</script>",
    "backend/app.py": SERVER,
    "backend/requirements.txt": "",
}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        await one.github.create_repository("acme", "both", {"README.md": "# Two services"})
        for who in ("ann", "bob"):
            one.github.grant("acme/both", who, "write")
        one.github.user("mia")
        one.github.grant("acme/both", "mia", "maintain")
        one.repo = "acme/both"
        yield one


def left(home: House) -> list[str]:
    """Folders of what runs."""
    return [path.name for path in (home.settings.home / "instances").glob("*")]


async def test_both_are_live_at_one_address_and_go_together(home: House) -> None:
    number = await home.propose(FILES)
    await home.shows(home.host(number), "the page")
    assert "static at /, " in await home.says(number, "is live", "python at /api")

    assert (await home.visit(home.host(number), "/api/todos?x=1")).text == "one: /todos?x=1"
    assert (await home.visit(home.host(number), "/apitodos")).status_code == 404
    assert left(home) == [f"{home.twin(number)['deployment']}-part1"]

    await home.push({"frontend/index.html": "<h1>the next page</h1>", "backend/app.py": SERVER.replace("one", "two")})
    await home.shows(home.host(number), "the next page")
    assert (await home.visit(home.host(number), "/api/todos")).text == "two: /todos"
    await home.says(number, "is live", home.github.hub.pull(home.repo, number).head_sha[:7])

    await home.github.close_pull(home.repo, number)
    await home.says(number, "nothing is left")
    assert left(home) == []


async def test_both_sleep_and_wake_for_a_visitor_of_either(home: House) -> None:
    number = await home.propose(FILES)
    await home.shows(home.host(number), "the page")
    await home.says(number, "is live")
    assert home.service is not None

    for path, text in (("/", "the page"), ("/api/x", "one: /x")):
        await home.service.previews.sleep(home.twin(number)["deployment"])
        assert text in (await home.visit(home.host(number), path)).text


async def test_they_outlive_us(home: House) -> None:
    number = await home.propose(FILES)
    await home.shows(home.host(number), "the page")
    await home.says(number, "is live")

    await home.stop()
    await home.start()

    await home.shows(home.host(number), "the page")
    assert (await home.visit(home.host(number), "/api/x")).text == "one: /x"


async def test_a_back_end_that_fails_fails_the_preview_and_is_named(home: House) -> None:
    number = await home.propose(FILES)
    await home.shows(home.host(number), "the page")

    await home.push({"backend/app.py": "raise SystemExit('no database')\n" + SERVER})

    await home.says(number, "backend: ", "no database")
    assert "the page" in (await home.visit(home.host(number))).text  # the former one goes on


async def test_what_people_saw_of_both_ships_and_goes_back(home: House) -> None:
    main = "main--both--acme.localhost"
    one = await home.propose(FILES)
    await approved(home, one)
    assert (await promote(home, one)).done
    two = await home.propose({**FILES, "backend/app.py": SERVER.replace("one", "two")}, branch="next")
    await approved(home, two)

    assert (await promote(home, two)).done
    assert "the page" in (await home.visit(main)).text
    assert (await home.visit(main, "/api/x")).text == "two: /x"

    assert (await rollback(home, two)).done
    assert (await home.visit(main, "/api/x")).text == "one: /x"
    assert (await home.visit(main, "/")).headers.get("X-Robots-Tag") is None
