"""Words about money: exact numbers, when it renews, and nothing of the outside that gets out of its place."""

from __future__ import annotations

import pytest

from bot.budgets import Limit, Over, Scope, Standing, period
from bot.messages import money
from bot.models import Alert

NOW = 1_773_000_000.0  # 2026-03-08 20:00 UTC
AGENT = Scope("agent", "42", "Robo", frozenset({"robo"}))
HOSTILE = Scope("agent", "43", "a|b`@team [x](http://y) <!-- -->\n# big")


def standing(scope: Scope = AGENT, spent: int = 4_900_000, held: int = 50_000, **limit: object) -> Standing:
    words = {"scope": "agent:*", "period": "day", "limit_micro": 5_000_000, "timezone": "Europe/Berlin", **limit}
    one = Limit(**words)  # type: ignore[arg-type]
    return Standing(scope, one, period(one.period, one.timezone, NOW), spent, held)


@pytest.mark.parametrize(
    ("micro", "words"),
    [
        (0, "0.00 USD"),
        (1, "0.000001 USD"),
        (1389, "0.001389 USD"),
        (2_000_000, "2.00 USD"),
        (2_500_000, "2.50 USD"),
        (1_234_567_890_120_000, "1234567890.12 USD"),
        (-250_000, "-0.25 USD"),
    ],
)
def test_amounts_are_told_exactly(micro: int, words: str) -> None:
    assert money.amount(micro, "USD") == words


def test_a_refusal_has_the_numbers_in_its_words_and_beside_them() -> None:
    said = money.refusal(Over(standing(), 100_000), "USD")

    assert said["reason_code"] == "budget_exceeded"
    assert said["message"] == "Over budget: agent Robo, today: 5.05 USD needed, limit 5.00 USD."
    assert len(said["message"]) <= 120
    assert said["hint"] == (
        "4.90 USD spent, 0.05 USD put aside for work under way, 0.10 USD estimated for this. "
        "It renews 2026-03-09 00:00 Europe/Berlin: comment /redeploy after that, or close previews that nobody needs, "
        "or have the limit raised by whoever keeps .slipway.yml."
    )
    assert (said["actual_micro"], said["limit_micro"]) == (5_050_000, 5_000_000)
    assert said["renews_at"] == standing().period.end


def test_what_never_renews_says_so() -> None:
    said = money.refusal(Over(standing(Scope("pull", "1#7"), period="lifetime"), 1), "USD")

    assert "this change, in all" in said["message"]
    assert "It does not renew" in said["hint"]


def test_the_comment_says_what_the_change_cost_and_what_is_left() -> None:
    told = money.line(12_345, [standing(spent=1_000_000, held=0)], "USD", NOW)

    assert told == "💰 This change has cost 0.012345 USD so far. Left: 4.00 USD of 5.00 USD (agent Robo, today)."
    assert money.line(0, [], "USD", NOW) == "💰 This change has cost 0.00 USD so far."


def test_it_warns_of_what_is_nearly_used_up_and_of_what_will_not_last() -> None:
    day = money.line(0, [standing()], "USD", NOW)
    month = standing(spent=2_000_000, held=0, period="month", limit_micro=5_000_000)
    rate = money.line(0, [month], "USD", NOW)

    assert "⚠️ Agent Robo, today: 95 % is reached, 4.90 USD of 5.00 USD; at this rate it is used up by 21:25." in day
    assert "at this rate it is used up by 20 March" in rate


def test_budget_answers_with_a_table() -> None:
    told = money.table(12_345, [standing()], "USD", NOW)

    row = "| agent Robo | today | 4.90 USD | 0.05 USD | 5.00 USD | 0.05 USD | 2026-03-09 00:00 Europe/Berlin |"
    assert row in told
    assert "No limit speaks of it" in money.table(0, [], "USD", NOW)


@pytest.mark.parametrize("markup", ["<!--", "@team", "](http", "\n# big", "a|b"])
def test_names_from_outside_stay_in_their_place(markup: str) -> None:
    """A refusal and a page are plain text, and escaped where they are shown."""
    assert markup not in money.table(0, [standing(HOSTILE)], "USD", NOW)
    assert markup not in money.line(0, [standing(HOSTILE)], "USD", NOW)


def test_machines_get_whole_numbers() -> None:
    said = money.twin(7, [standing()], "USD")

    assert said["cost_micro"] == 7
    assert said["budgets"][0] == {
        "scope": "agent",
        "period": "day",
        "limit_micro": 5_000_000,
        "spent_micro": 4_900_000,
        "held_micro": 50_000,
        "left_micro": 50_000,
        "renews_at": standing().period.end,
    }


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (80, "80 % of the budget of project acme/shop (month, UTC) is used: 4.00 USD of 5.00 USD."),
        (0, "The budget of project acme/shop (month, UTC) will not last: 4.00 USD of 5.00 USD is used."),
    ],
)
def test_a_webhook_gets_what_slack_takes(threshold: int, words: str) -> None:
    row = Alert(
        scope="project:1", span="month", zone="UTC", start=0, threshold=threshold, label="acme/shop",
        limit_micro=5_000_000, spent=4_000_000, runs_out=NOW, at=NOW,
    )  # fmt: skip

    assert money.alert(row.model_dump(), "USD") == {"text": f"{words} At this rate it is used up by 8 March."}
