"""A change is scanned, end to end: the real scanners in their box, real git, the check, the preview, the gate."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.builds.scan import Equipment
from bot.messages.scan import CHECK
from bot.scanners.dependencies import Registries
from bot.scanners.tools import SCANNERS, Tool
from bot.settings import Settings
from bot.store import scans
from demo.security import INJECTED, leaked
from runners.choose import box
from tests.bot.scanners.kept import CACHE
from tests.bot.scanners.planted import registry
from tests.house import SERVER, House, eventually, stage

pytestmark = pytest.mark.slow
INJECTION = "import sqlite3\nfrom flask import Flask, jsonify, request\napp = Flask(__name__)\n" + INJECTED


@contextlib.asynccontextmanager
async def scanned(tmp_path: Path, tools: Sequence[Tool] = SCANNERS) -> AsyncIterator[House]:
    """A house whose changes are scanned, with these tools; dependencies are always looked up."""
    folder = tmp_path / "scan"
    folder.mkdir()
    CACHE.mkdir(exist_ok=True)
    (folder / "tools").symlink_to(CACHE)
    async with stage(tmp_path) as one, registry.serve() as (indexes, _advisories):

        async def equipment(settings: Settings) -> Equipment:
            place = await box("process", settings.home.absolute())
            return Equipment(place, folder, Registries(indexes), tools)

        one.equipment = equipment
        one.github.user("meg")
        one.github.grant(one.repo, "meg", "maintain")
        await one.start()
        try:
            yield one
        finally:
            await one.stop()
        assert list((folder / "trees").glob("*")) == []


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with scanned(tmp_path) as one:
        yield one


def head(home: House, number: int) -> str:
    return str(home.github.hub.pull(home.repo, number).head_sha)


async def concludes(home: House, number: int, conclusion: str, runs: int = 1) -> Any:
    """The newest run of the scan's check at the head, once it ended so."""

    async def look() -> Any:
        every = home.checks(head(home, number), CHECK)
        return every[-1] if len(every) >= runs and every[-1].conclusion == conclusion else None

    return await eventually(look)


def told(home: House, tmp_path: Path) -> bytes:
    """All that anybody may read of it: what GitHub has, and our books, logs and caches."""
    repo = home.github.hub.repo(home.repo)
    said = repr([*repo.checks.values(), *repo.comments.values(), *repo.deployments.values()]).encode()
    kept = [path for path in home.settings.home.rglob("*") if path.is_file() and not _code(path)]
    return said + b"".join(path.read_bytes() for path in [*kept, *(tmp_path / "scan" / "results").rglob("*.*")])


def _code(path: Path) -> bool:
    """What the change itself is kept in: git's objects and its files."""
    return bool({"mirrors", "trees", "builds", "instances", "artifacts", "layers"} & set(path.parts))


async def test_a_clean_change_passes_in_one_check_and_one_line(home: House) -> None:
    number = await home.propose(SERVER)

    run = await concludes(home, number, "success")

    assert "nothing new" in run.title
    body = await home.says(number, "is live", "Scan:")
    assert "0 new high" in body
    assert home.twin(number)["scan"]["new"] == {} or not any(home.twin(number)["scan"]["new"].values())


async def test_an_injection_fails_the_check_at_its_line_and_the_next_push_mends_it(home: House) -> None:
    number = await home.propose({**SERVER, "shop.py": INJECTION})

    run = await concludes(home, number, "failure")
    assert "S608" in run.summary and "shop.py" in run.summary
    (mark,) = [one for one in run.annotations if one["path"] == "shop.py" and "S608" in str(one)]
    assert "SELECT" in INJECTION.split("\n")[mark["start_line"] - 1] and mark["annotation_level"] == "failure"
    await home.says(number, "is live", "1 new high")  # a fault in the code keeps nobody from looking at it

    await home.push({"shop.py": "import sqlite3\n"})

    await concludes(home, number, "success")
    await home.says(number, "0 new high")


async def test_what_stood_in_the_base_is_known_also_when_it_moves(home: House) -> None:
    await home.github.branch_commit(home.repo, "main", {"shop.py": INJECTION}, "Old code", author="ann")

    number = await home.propose({**SERVER, "shop.py": "# moved\n\n" + INJECTION})

    run = await concludes(home, number, "success")
    assert "1 known" in run.title or "known" in run.title

    await home.push({"shop.py": "# moved\n\n" + INJECTION + INJECTED.replace("def search", "def again")})
    await concludes(home, number, "failure")  # a copy of it is new


async def test_a_leaked_key_keeps_the_preview_from_starting_and_is_told_nowhere(home: House, tmp_path: Path) -> None:
    key = leaked()
    number = await home.propose({**SERVER, "config.py": f'STRIPE_KEY = "{key}"\n'})

    run = await concludes(home, number, "failure")
    body = await home.says(number, "Not started", "Rotate")

    assert "config.py" in run.summary
    assert home.twin(number)["reason_code"] == "secret_found"
    assert (await home.visit(home.host(number))).status_code != 200
    assert key not in body and key.encode() not in told(home, tmp_path)


async def test_a_secret_added_and_removed_within_the_pull_request_is_found(home: House) -> None:
    key = leaked()
    await home.push({**SERVER, "config.py": f'STRIPE_KEY = "{key}"\n'})
    number = await home.propose({"config.py": "import os\n"})

    run = await concludes(home, number, "failure")

    assert "config.py" in run.summary and run.annotations == []
    await home.says(number, "Not started", "history")


async def test_a_maintainer_who_knows_better_acknowledges_and_it_starts(home: House) -> None:
    number = await home.propose({**SERVER, "config.py": f'STRIPE_KEY = "{leaked()}"\n'})
    await concludes(home, number, "failure")
    await home.says(number, "Not started")
    found = home.twin(number)["scan"]["findings"][0]["id"]

    await home.github.comment(home.repo, number, "meg", f"/ack {found} {head(home, number)[:7]}")
    await concludes(home, number, "success", runs=2)
    await home.github.comment(home.repo, number, "meg", "/redeploy")

    await home.shows(home.host(number), "hello one")


async def test_a_change_does_not_excuse_itself_but_a_reason_in_the_base_does(home: House) -> None:
    marked = INJECTED.replace("= '{word}'\")", "= '{word}'\")  # slipway: ignore[S608] the word is checked before")
    excused = INJECTION.replace(INJECTED, marked)
    assert excused != INJECTION
    home.github.user("Copilot", 198982749, "Bot")
    home.github.grant(home.repo, "Copilot", "write")

    number = await home.propose({**SERVER, "shop.py": excused}, branch="copilot/x", user="Copilot")
    await concludes(home, number, "failure")

    other = await home.propose({**SERVER, "shop.py": excused}, branch="by-a-person")
    await concludes(home, other, "success")


async def test_a_hallucinated_package_fails_the_check(home: House) -> None:
    number = await home.propose({**SERVER, "requirements.txt": "flask-shop-searching-nobody-has==1.0\n"})

    run = await concludes(home, number, "failure")

    assert "flask-shop-searching-nobody-has" in run.summary.replace("\\", "")


async def test_the_bill_of_materials_is_kept(home: House) -> None:
    number = await home.propose({**SERVER, "requirements.txt": "# nothing\n"})
    await concludes(home, number, "success")
    assert home.service is not None

    row = await home.service.store.read(scans.get, (home.github.hub.repo(home.repo).id, number, head(home, number)))

    assert row is not None and row.sbom is not None and b"CycloneDX" in zlib.decompress(row.sbom)


async def test_runs_of_replaced_heads_end(home: House) -> None:
    number = await home.propose(SERVER)
    shas = [head(home, number)]
    for n in range(3):
        shas.append(await home.push({"note.txt": f"{n}"}))

    await concludes(home, number, "success")

    async def ended() -> bool | None:
        every = [one for sha in shas for one in home.checks(sha, CHECK)]
        return True if all(one.status == "completed" for one in every) else None

    await eventually(ended)


async def test_the_gate_says_what_the_scan_found(home: House) -> None:
    number = await home.propose({**SERVER, "shop.py": INJECTION})
    await concludes(home, number, "failure")

    async def gate() -> Any:
        every = home.checks(head(home, number), "slipway/gate")
        return every[-1] if every and every[-1].status == "completed" and "scan_failed" in every[-1].text else None

    assert (await eventually(gate)).conclusion == "failure"
