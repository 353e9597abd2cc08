"""What is let in: each limit by itself, and that none is ever exceeded, whatever happens in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.policy.admission import HOUR, SOON, Asking, Occupant, admit, binding, room
from bot.policy.facts import Stop
from bot.policy.terms import Agents, Budgets, Effective, Limit, May, Preview, Rate

NOW = 1_800_000_000.0
ASKING = Asking(agent="robo", login="robo[bot]", now=NOW, sha="a" * 40)
STOP = Stop("it runs wild", 1, "meg", NOW + 60)


def limited(previews: int | None = None, attempts: int | None = None) -> Agents:
    return Agents(rate=Rate(previews_per_hour=previews, attempts_per_pr=attempts))


def code(agents: Agents, asking: Asking) -> str | None:
    denied = admit(agents, asking)
    return denied.objection.reason_code if denied else None


def test_without_limits_everything_is_let_in() -> None:
    assert admit(Agents(), replace(ASKING, admitted=(NOW,) * 500, failures=99)) is None


def test_a_frozen_agent_waits_for_its_thaw_even_when_a_person_asks() -> None:
    denied = admit(Agents(), replace(ASKING, frozen=STOP, by_person=True))

    assert denied is not None and denied.again == NOW + 60
    assert denied.objection.reason_code == "agent_frozen"
    assert denied.objection.next == '/unfreeze "agent:robo[bot]" --reason="..."'


def test_who_may_not_preview_gets_one_when_a_person_asks() -> None:
    agents = Agents(may=May(preview=False))

    assert code(agents, ASKING) == "agent_not_permitted"
    assert code(agents, replace(ASKING, by_person=True)) is None


@pytest.mark.parametrize(
    ("failures", "said"), [(0, None), (2, None), (3, "attempts_exhausted"), (9, "attempts_exhausted")]
)
def test_the_loop_breaker_counts(failures: int, said: str | None) -> None:
    assert code(limited(attempts=3), replace(ASKING, failures=failures)) == said
    assert code(limited(attempts=3), replace(ASKING, failures=failures, by_person=True)) is None


def test_the_rate_says_how_many_of_how_many_and_when_one_is_free() -> None:
    agents = limited(previews=2)
    recent = (NOW - HOUR, NOW - 100, NOW - 50)  # the first is an hour old: it counts no more

    denied = admit(agents, replace(ASKING, admitted=recent))

    assert denied is not None and denied.again == NOW - 100 + HOUR
    assert (denied.objection.reason_code, denied.objection.actual) == ("rate_limited", "2 in an hour")
    assert denied.objection.required == "2 an hour"
    assert code(agents, replace(ASKING, admitted=recent, now=denied.again)) is None
    assert code(agents, replace(ASKING, admitted=recent, by_person=True)) == "rate_limited"


def test_a_rate_of_none_is_never_tried_again() -> None:
    denied = admit(limited(previews=0), ASKING)

    assert denied is not None and denied.again is None


@settings(max_examples=300)
@given(
    limit=st.integers(0, 5),
    waits=st.lists(st.floats(0, HOUR, allow_nan=False), max_size=40),
    people=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_no_hour_ever_sees_more_than_the_rate(limit: int, waits: list[float], people: list[bool]) -> None:
    agents, now, let_in = limited(previews=limit), NOW, list[float]()
    for wait, by_person in zip(waits, people, strict=False):
        now += wait
        denied = admit(agents, replace(ASKING, now=now, admitted=tuple(let_in), by_person=by_person))
        if denied is None:
            let_in.append(now)
        elif denied.again is not None:
            assert now < denied.again <= now + HOUR
            later = replace(ASKING, now=denied.again, admitted=tuple(let_in))
            assert admit(agents, later) is None
    for end in let_in:
        assert sum(end - HOUR < at <= end for at in let_in) <= limit


@settings(max_examples=300)
@given(limit=st.integers(1, 4), builds=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_no_machine_ever_fails_more_often_in_a_row_than_it_may(limit: int, builds: list[tuple[bool, bool]]) -> None:
    agents, failures, in_a_row = limited(attempts=limit), 0, 0
    for by_person, fails in builds:
        if by_person:
            failures = in_a_row = 0
        if admit(agents, replace(ASKING, failures=failures, by_person=by_person)) is not None:
            assert failures >= limit
            continue
        failures = in_a_row = failures + 1 if fails else 0
        assert in_a_row <= limit


OTHER = Occupant("a", NOW - 10, 7)


def test_the_least_recently_used_makes_room() -> None:
    others = [OTHER, replace(OTHER, deployment="b", active_at=NOW - 20), replace(OTHER, deployment="c", agent_id=None)]

    assert room(Preview(), 7, others, NOW).sleep == ()
    assert room(Preview(max_concurrent=4), 7, others, NOW).sleep == ()
    assert room(Preview(max_concurrent=3), 7, others, NOW).sleep == ("b",)
    assert room(Preview(per_agent=2), 7, others, NOW).sleep == ("b",)
    assert room(Preview(per_agent=1, max_concurrent=1), 7, others, NOW).sleep == ("b", "a", "c")
    assert room(Preview(per_agent=1), None, others, NOW).sleep == ()


def test_what_is_just_being_started_cannot_sleep() -> None:
    starting = replace(OTHER, starting=True)

    denied = room(Preview(max_concurrent=1), None, [starting], NOW).denied

    assert denied is not None and denied.again == NOW + SOON
    assert (denied.objection.reason_code, denied.objection.required) == ("previews_full", "1 at once")


def test_a_limit_of_none_lets_nothing_run() -> None:
    denied = room(Preview(max_concurrent=0), None, [], NOW).denied

    assert denied is not None and denied.again is None


@settings(max_examples=300)
@given(
    preview=st.builds(Preview, max_concurrent=st.none() | st.integers(0, 4), per_agent=st.none() | st.integers(0, 3)),
    events=st.lists(st.tuples(st.integers(0, 8), st.sampled_from([None, 1, 2]), st.booleans()), max_size=40),
)
def test_no_more_ever_run_than_may(preview: Preview, events: list[tuple[int, int | None, bool]]) -> None:
    running: dict[str, Occupant] = {}
    for tick, (name, agent, ready) in enumerate(events):
        one = Occupant(f"p{name}", NOW + tick, agent, starting=not ready)
        others = [each for each in running.values() if each.deployment != one.deployment]
        found = room(preview, agent, others, NOW)
        if found.denied is None:
            running = {each.deployment: each for each in others if each.deployment not in found.sleep}
            running[one.deployment] = one
        if found.denied is None and preview.max_concurrent is not None:
            assert len(running) <= preview.max_concurrent
        if found.denied is None and preview.per_agent is not None and agent is not None:
            assert sum(each.agent_id == agent for each in running.values()) <= preview.per_agent
        for gone in found.sleep:
            assert gone not in running


def test_who_wrote_it_matters_only_where_something_depends_on_it() -> None:
    budget = Limit("agent:*", "day", "USD", "UTC", 1, (), "deny_new")

    assert not binding(Effective())
    assert binding(Effective(agents=limited(previews=3)))
    assert binding(Effective(agents=limited(attempts=3)))
    assert binding(Effective(agents=Agents(may=May(preview=False))))
    assert binding(Effective(preview=Preview(per_agent=1)))
    assert not binding(Effective(preview=Preview(max_concurrent=1)))
    assert binding(Effective(budgets=Budgets(limits=(budget,))))
