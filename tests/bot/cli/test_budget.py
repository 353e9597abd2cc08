"""`slipway budget`: what everybody spent, whether it can be proven, and how a wrong amount is put right."""

from __future__ import annotations

import json
import time

import pytest
from sqlmodel import Session

from bot.budgets import Prices, Usage
from bot.models import PullRequest, Spend
from bot.store import budgets, engine
from bot.store.budgets.scopes import scopes_of
from tests.bot.cli.conftest import slipway


@pytest.fixture
def url(known: str) -> str:
    """One build of an agent's that cost 0.50."""
    database, now = engine.writing(known), time.time()
    with Session(database) as session, session.begin():
        session.add(PullRequest(project_id=1, number=7, author_id=42, author="robo", agent="Robo"))
        budgets.reserve(session, "build:d1", scopes_of(session, 1, 7), 0, (), now, 60)
        prices = Prices.of({"build_second": "0.05"})
        budgets.settle(session, "build:d1", prices, now, Usage(build_ms=10_000))
    database.dispose()
    return known


def test_it_shows_who_bore_what(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert slipway("budget") == 0

    told = capsys.readouterr().out
    assert all(word in told for word in ("acme", "robo", "0.50"))

    assert slipway("budget", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    rows = {row["scope"]: row for row in said["scopes"]}
    assert sorted(rows) == ["agent:42", "organization:5", "project:1", "pull:1#7"]
    assert (rows["agent:42"]["label"], rows["agent:42"]["day_micro"], said["currency"]) == ("robo", 500_000, "USD")


def test_it_proves_its_sums_and_says_which_one_is_wrong(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert slipway("budget", "--prove") == 0
    assert "Every sum is what the ledger says" in capsys.readouterr().out

    database = engine.writing(url)
    with Session(database) as session, session.begin():
        session.add(Spend(scope="project:1", span="lifetime", zone="", start=0, spent=1))
    database.dispose()

    assert slipway("budget", "--prove", "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["unproven"] == ["project:1, lifetime from 0: 1, the ledger 500000"]
    assert "project:1" in told.err


def test_a_wrong_amount_is_put_right(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert slipway("budget", "correct", "1", "-0.125", "--reason", "an old price") == 0
    assert "Entry 2 of the ledger corrects entry 1" in capsys.readouterr().out

    assert slipway("budget", "--json", "--prove") == 0
    rows = {row["scope"]: row for row in json.loads(capsys.readouterr().out)["scopes"]}
    assert rows["project:1"]["month_micro"] == 375_000
    assert slipway("audit", "verify") == 0
    assert slipway("budget", "correct", "9", "1", "--reason", "x") == 1
    assert "no entry 9" in capsys.readouterr().err


@pytest.mark.parametrize("amount", ["much", "0.0000001", "inf"])
def test_an_amount_that_is_none_is_wrong_use(url: str, amount: str) -> None:
    with pytest.raises(SystemExit) as ended:
        slipway("budget", "correct", "1", amount, "--reason", "x")
    assert ended.value.code == 2
