"""The comment's line about variables that nobody set."""

from __future__ import annotations

from bot.messages import wants


def test_it_names_what_is_missing_and_how_to_set_it() -> None:
    said = wants.line(["API_KEY", "STRIPE_KEY"], "acme/shop", fork=False)

    assert "`API_KEY`, `STRIPE_KEY`" in said
    assert "`slipway secret set --project acme/shop --env preview API_KEY`" in said
    assert "/redeploy" in said


def test_nothing_missing_is_no_line() -> None:
    assert wants.line([], "acme/shop", fork=False) == ""


def test_a_fork_is_given_none_and_told_so() -> None:
    said = wants.line(["API_KEY"], "acme/shop", fork=True)

    assert "forks are given no values" in said and "secret set" not in said


def test_what_is_set_or_wanted_twice_is_named_once_or_not_at_all() -> None:
    plan = {"wants": ["A", "B"], "parts": [{"wants": ["B", "C"]}, {"wants": ["A"]}]}

    assert wants.unset(plan, ["B"]) == ["A", "C"]


def test_names_that_are_markup_stay_text_and_very_many_are_counted() -> None:
    names = ["A`*[x](y)", *(f"KEY_{n}" for n in range(40))]

    said = wants.line(names, "acme/shop", fork=False)

    assert "`Aʹ*[x](y)`" in said and "and 29 more" in said
