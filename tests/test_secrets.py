"""Values that maintainers set for previews reach the code of the repository, and nobody else."""

from __future__ import annotations

import time
from pathlib import Path

from sqlmodel import Session

from bot.audit import Entry
from bot.store import engine, secrets
from tests.house import SERVER, House, house
from tests.shipping import MAIN, approved, promote, proposed

VALUE = "preview-" + "0f1e2d3c4b5a" * 2
OTHERS = "production-" + "a9b8c7d6e5f4" * 2
READS = {
    **SERVER,
    "app.py": SERVER["app.py"]
    .replace("sys.argv[1].encode()", 'os.environ.get("GREETING", "nothing").encode()')
    .replace("class Handler", 'print("it was given", os.environ.get("GREETING"), flush=True)\nclass Handler'),
}


def give(home: House, environment: str, value: str) -> None:
    """As `slipway secret set` does, in another process than the service."""
    project = home.github.hub.repo(home.repo).id
    told = home.settings
    writing = engine.writing(told.database)
    with Session(writing) as session, session.begin():
        entry = Entry(
            "secret.set", time.time(), project_id=project, environment=environment, after={"name": "GREETING"}
        )
        secrets.put(session, secrets.made(told.home), project, environment, "GREETING", value, entry)
    writing.dispose()


async def test_a_value_set_for_previews_is_there_after_a_redeploy_and_in_no_log_or_comment(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        number = await home.propose(READS)
        await home.says(number, "is live")
        await home.shows(home.host(number), "nothing one")
        give(home, "production", OTHERS)
        give(home, "preview", VALUE)

        await home.github.comment(home.repo, number, "ann", "/redeploy")

        await home.shows(home.host(number), VALUE)
        body = await home.says(number, "it was given ***")
        logs = "".join(path.read_text() for path in (home.settings.home / "logs").glob("*.log"))
        assert "it was given ***" in logs
        assert VALUE not in logs + body
        assert OTHERS not in logs + (await home.visit(home.host(number))).text


async def test_a_release_is_given_the_values_of_production_and_none_of_a_previews(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.github.user("mia")
        home.github.grant(home.repo, "mia", "maintain")
        number = await proposed(home, READS)
        give(home, "preview", VALUE)
        assert (await promote(home, number)).done
        await home.shows(MAIN, "nothing one")

        give(home, "production", OTHERS)
        await home.push({"more.txt": "more"})
        await approved(home, number)
        assert (await promote(home, number)).done

        page = await home.shows(MAIN, OTHERS)
        assert VALUE not in page.text
        assert OTHERS not in "".join(path.read_text() for path in (home.settings.home / "logs").glob("*.log"))


async def test_code_from_a_fork_is_given_nothing_even_when_somebody_lets_it_run(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        fork = (await home.github.fork(home.repo, "eve")).full_name
        sha = await home.github.branch_commit(fork, "gift", READS, "Take it", author="eve")
        number = await home.github.open_pull(fork, "gift", "main", "Free gift", "", "eve", fork_of=home.repo)
        await home.says(number, "was not run", "fork")
        give(home, "preview", VALUE)

        await home.github.comment(home.repo, number, "ann", f"/preview {sha}")

        await home.shows(home.host(number), "nothing one")


async def test_a_key_that_was_lost_fails_the_start_and_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.propose({"index.html": "first"}, branch="first")
        await home.says(1, "is live")
        give(home, "preview", VALUE)
        (home.settings.home / secrets.KEY_FILE).unlink()

        number = await home.propose(READS)

        assert "secrets.key is gone" in (await home.says(number, "failed", "step **start**")).replace("\\", "")


async def test_a_value_in_the_words_of_a_failure_is_in_no_row_log_or_comment(tmp_path: Path) -> None:
    raises = {"app.py": 'import os\nraise RuntimeError("no use for " + os.environ.get("GREETING", "nothing"))\n'}
    async with house(tmp_path) as home:
        await home.propose({"index.html": "first"}, branch="first")
        await home.says(1, "is live")
        give(home, "preview", VALUE)

        number = await home.propose({**READS, **raises})

        body = await home.says(number, "failed", "no use for ***")
        logs = "".join(path.read_text() for path in (home.settings.home / "logs").glob("*.log"))
        rows = b"".join(path.read_bytes() for path in home.settings.home.glob("slipway.db*"))
        assert b"no use for ***" in rows
        assert VALUE not in logs + body
        assert VALUE.encode() not in rows


async def test_the_comment_names_what_is_wanted_and_not_set(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        number = await home.propose({**SERVER, ".env.example": "API_KEY=\n"})

        body = await home.says(number, "is live", "Wants, not set: `API_KEY`")

        assert "slipway secret set --project acme/shop --env preview API_KEY" in body
        assert home.twin(number)["wants"] == ["API_KEY"]
