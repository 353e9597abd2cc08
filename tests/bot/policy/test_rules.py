"""Who may promote what, and who is told what instead."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.policy import ROLLBACK, RULES, Check, Facts, Objection, Review, Role, Stop, Stops, Unknown, judge
from bot.policy.facts import NOT_ASKED
from bot.slash import Command, parse

HEAD, OTHER = "a" * 40, "b" * 40
AUTHOR, ACTOR, REVIEWER = 1, 2, 3
GONE = Unknown("GitHub answers with 502.")

APPROVAL = Review(REVIEWER, "rita", True, "APPROVED", HEAD, Role.WRITE)
BUILD = Check("build", 15368, False, "completed", "success")
OWN = Check("slipway/preview", 7, True, "completed", "success")
STOP = Stop("the fair", 9, "olga", 1_800_000_000.0)

GOOD = Facts(
    "production",
    ACTOR,
    "mona",
    True,
    actor_role=Role.MAINTAIN,
    author_id=AUTHOR,
    state="open",
    draft=False,
    fork=False,
    head_sha=HEAD,
    displayed_sha=HEAD,
    merged_same=None,
    reviews=(APPROVAL,),
    hands=frozenset({AUTHOR}),
    nameless=False,
    checks=(BUILD, OWN),
    stops=Stops(),
)
FIELDS = [field.name for field in dataclasses.fields(Facts)][:17]  # what is asked without a policy
MERGED = dataclasses.replace(GOOD, state="merged", merge_sha=OTHER, merged_same=True)


def facts(base: Facts = GOOD, **changes: Any) -> Facts:
    return dataclasses.replace(base, **changes)


def review(**changes: Any) -> Review:
    return dataclasses.replace(APPROVAL, **changes)


def codes(asked: Facts, **words: Any) -> list[str]:
    return [objection.reason_code for objection in judge(asked, **words)]


def test_an_approved_open_pull_request_may_be_promoted_by_a_maintainer() -> None:
    assert judge(GOOD) == ()
    assert judge(facts(actor_role=Role.ADMIN)) == ()


def test_who_promotes_may_be_the_one_who_approved() -> None:
    assert judge(facts(reviews=(review(reviewer_id=ACTOR),))) == ()


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("not_permitted", {"actor_role": Role.WRITE}),
    ("not_permitted", {"actor_role": Role.NONE}),
    ("permission_unknown", {"actor_role": GONE}),
    ("not_permitted", {"actor_person": False}),
    ("not_permitted", {"actor_id": AUTHOR}),
    ("author_unknown", {"author_id": GONE}),
    ("closed", {"state": "closed"}),
    ("pull_unknown", {"state": GONE}),
    ("merge_differs", {"state": "merged", "merged_same": False}),
    ("merge_unknown", {"state": "merged", "merged_same": GONE}),
    ("merge_unknown", {"state": "merged", "merged_same": None}),
    ("draft", {"draft": True}),
    ("pull_unknown", {"draft": GONE}),
    ("fork", {"fork": True}),
    ("pull_unknown", {"fork": GONE}),
    ("not_displayed", {"displayed_sha": None}),
    ("display_unknown", {"displayed_sha": GONE}),
    ("head_moved", {"head_sha": OTHER, "reviews": (review(commit=OTHER),)}),
    ("head_moved", {"displayed_sha": OTHER}),
    ("frozen", {"stops": Stops(frozen=STOP)}),
    ("locked", {"stops": Stops(locked=STOP)}),
    ("held", {"stops": Stops(held=STOP)}),
    ("environment_unknown", {"stops": GONE}),
    ("approval_missing", {"reviews": ()}),
    ("approval_unknown", {"reviews": GONE}),
    ("approval_unknown", {"hands": GONE}),
    ("approval_unknown", {"nameless": GONE}),
    ("approval_missing", {"nameless": True}),
    ("changes_requested", {"reviews": (APPROVAL, review(reviewer_id=8, state="CHANGES_REQUESTED", commit=OTHER))}),
    ("checks_unknown", {"checks": GONE}),
    ("checks_failed", {"checks": (dataclasses.replace(BUILD, conclusion="failure"),)}),
    ("checks_pending", {"checks": (dataclasses.replace(BUILD, status="in_progress", conclusion=None),)}),
]


@pytest.mark.parametrize(("code", "changes"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_each_rule_says_no_on_its_own(code: str, changes: dict[str, Any]) -> None:
    found = judge(facts(**changes))
    assert [objection.reason_code for objection in found] == [code]
    one = found[0]
    assert all((one.rule, one.words, one.actual, one.required, one.next, one.brief))
    step = found[0].next or ""
    assert isinstance(parse(step), Command) if step.startswith("/") else step.endswith(".")


def test_an_unknown_head_is_refused_once_for_itself_and_once_for_its_approvals() -> None:
    assert codes(facts(head_sha=GONE)) == ["head_unknown", "approval_unknown"]


def test_whoever_sees_two_rules_say_the_same_reads_it_once() -> None:
    assert codes(facts(stops=GONE)) == ["environment_unknown"]
    assert codes(facts(reviews=GONE)) == ["approval_unknown"]


def test_permission_comes_before_everything_else() -> None:
    assert codes(facts(actor_role=GONE, head_sha=OTHER, reviews=(), checks=GONE))[0] == "permission_unknown"
    assert codes(facts(head_sha=OTHER))[0] == "head_moved"


def test_facts_that_nobody_gathered_deny() -> None:
    bare = Facts("production", ACTOR, "mona", True)
    assert "permission_unknown" in codes(bare)
    assert codes(facts(bare, actor_role=Role.ADMIN))


@pytest.mark.parametrize("base", [GOOD, MERGED], ids=["open", "merged"])
def test_what_is_unknown_denies_whichever_it_is(base: Facts) -> None:
    assert judge(base) == ()
    hints = get_type_hints(Facts)
    for field in FIELDS:
        if Unknown in get_args(hints[field]) and (base is MERGED or field != "merged_same"):
            found = judge(facts(base, **{field: GONE}))
            assert found and all("unknown" in one.reason_code for one in found), field
            assert GONE.why in found[0].words, field


def test_what_was_merged_may_be_promoted_once_it_was_seen() -> None:
    merged = {"state": "merged", "merged_same": True, "merge_sha": "e" * 40, "displayed_sha": "e" * 40}
    assert judge(facts(**merged)) == ()
    assert judge(facts(**merged, fork=True)) == ()
    still_open = merged | {"state": "open", "merged_same": None}
    assert [one.reason_code for one in judge(facts(**still_open))] == ["head_moved"]


def test_merged_without_drift_may_be_promoted() -> None:
    assert judge(MERGED) == ()


def test_push_after_comment_is_refused_with_the_next_command() -> None:
    (found,) = judge(facts(head_sha=OTHER, reviews=(review(commit=OTHER),)))
    assert (found.actual, found.required, found.next) == ("bbbbbbb", "aaaaaaa", "/promote production bbbbbbb")


def test_approval_of_another_commit_does_not_count() -> None:
    for commit in (OTHER, None, HEAD[:7]):
        assert codes(facts(reviews=(review(commit=commit),))) == ["approval_missing"], commit


def test_approval_by_an_app_does_not_count() -> None:
    assert codes(facts(reviews=(review(person=False),))) == ["approval_missing"]


@pytest.mark.parametrize("state", ["DISMISSED", "COMMENTED", "PENDING", "approved", ""])
def test_only_approvals_approve(state: str) -> None:
    assert codes(facts(reviews=(review(state=state),))) == ["approval_missing"]


@pytest.mark.parametrize("role", [Role.NONE, Role.READ, Role.TRIAGE])
def test_approval_by_somebody_who_may_not_write_now_does_not_count(role: Role) -> None:
    assert codes(facts(reviews=(review(role=role),))) == ["approval_missing"]


def test_approval_by_somebody_nobody_can_vouch_for_is_unknown() -> None:
    (found,) = judge(facts(reviews=(review(role=GONE),)))
    assert found.reason_code == "approval_unknown"
    assert GONE.why in found.words
    assert judge(facts(reviews=(review(role=GONE), review(reviewer_id=8)))) == ()


@pytest.mark.parametrize("hand", [AUTHOR, 4, 5])
def test_self_approval_in_disguise_does_not_count(hand: int) -> None:
    asked = facts(hands=frozenset({4, 5}), reviews=(review(reviewer_id=hand),))
    assert codes(asked) == ["approval_missing"]


def test_an_author_nobody_can_name_needs_one_more_approval() -> None:
    """P17: who wrote that commit may be the one who approved it."""
    (found,) = judge(facts(nameless=True))
    assert (found.reason_code, found.actual, found.required[0]) == ("approval_missing", "1", "2")
    assert judge(facts(nameless=True, reviews=(APPROVAL, review(reviewer_id=8)))) == ()
    assert codes(facts(nameless=True, reviews=(APPROVAL, review(reviewer_id=8, role=GONE)))) == ["approval_unknown"]


def test_what_strangers_and_apps_ask_to_change_stops_nobody() -> None:
    wish = review(reviewer_id=8, state="CHANGES_REQUESTED")
    for other in (dataclasses.replace(wish, role=Role.READ), dataclasses.replace(wish, person=False)):
        assert judge(facts(reviews=(APPROVAL, other))) == ()
    assert codes(facts(reviews=(APPROVAL, dataclasses.replace(wish, role=GONE)))) == ["changes_requested"]


@pytest.mark.parametrize(
    "conclusion",
    ["neutral", "skipped", "cancelled", "timed_out", "stale", "action_required", "failure", None, "SUCCESS"],
)
def test_neutral_and_skipped_checks_do_not_pass(conclusion: str | None) -> None:
    for check in (BUILD, OWN):
        asked = facts(checks=(BUILD, dataclasses.replace(check, conclusion=conclusion)))
        assert codes(asked) == ["checks_failed"]


def test_our_own_preview_check_is_not_waited_for_because_the_books_know_better() -> None:
    running = dataclasses.replace(OWN, status="in_progress", conclusion=None)
    assert judge(facts(checks=(running,))) == ()
    for other in (dataclasses.replace(running, own=False), dataclasses.replace(running, name="slipway/scan")):
        assert codes(facts(checks=(other,))) == ["checks_pending"]


def test_a_forged_check_under_our_name_hides_nothing() -> None:
    failed = dataclasses.replace(OWN, conclusion="failure")
    forged = dataclasses.replace(OWN, app_id=99, own=False)
    assert codes(facts(checks=(failed, forged))) == ["checks_failed"]


def test_many_failing_checks_are_counted_not_listed() -> None:
    many = tuple(Check(f"job {n}", 1, False, "completed", "failure") for n in range(7))
    (found,) = judge(facts(checks=many))
    assert found.actual == "job 0: failure, job 1: failure, job 2: failure, job 3: failure, job 4: failure and 2 more"


def test_ones_own_lock_keeps_the_others_out_only() -> None:
    mine = Stops(locked=Stop("deploying", ACTOR, "mona"))
    assert judge(facts(stops=mine)) == ()
    (found,) = judge(facts(stops=mine, actor_id=8))
    assert (found.reason_code, found.next) == ("locked", "/unlock production")


def test_a_stop_says_who_until_when_and_why() -> None:
    (found,) = judge(facts(stops=Stops(frozen=STOP)))
    assert found.words == "production is frozen by olga until 2027-01-15 08:00 UTC: the fair"


def test_a_rollback_needs_a_deployer_and_nothing_else() -> None:
    who = Facts("production", ACTOR, "mona", True, actor_role=Role.MAINTAIN, stops=Stops(frozen=STOP, held=STOP))
    assert judge(who, ROLLBACK) == ()
    assert codes(facts(who, actor_role=Role.WRITE), rules=ROLLBACK) == ["not_permitted"]
    assert codes(facts(who, actor_role=NOT_ASKED), rules=ROLLBACK) == ["permission_unknown"]
    assert codes(facts(who, actor_person=False), rules=ROLLBACK) == ["not_permitted"]
    assert codes(facts(who, stops=Stops(locked=STOP)), rules=ROLLBACK) == ["locked"]
    assert codes(facts(who, stops=NOT_ASKED), rules=ROLLBACK) == ["environment_unknown"]


ROLES = st.sampled_from([*Role, GONE])
SHAS = st.sampled_from([HEAD, OTHER, GONE])
TRUTHS = st.sampled_from([True, False, GONE])
REVIEWS = st.builds(
    Review,
    st.integers(1, 5),
    st.just("rita"),
    st.booleans(),
    st.sampled_from(["APPROVED", "CHANGES_REQUESTED", "DISMISSED"]),
    st.sampled_from([HEAD, OTHER, None]),
    ROLES,
)
CHECKS = st.builds(
    Check,
    st.sampled_from(["build", "slipway/preview"]),
    st.sampled_from([7, 15368, None]),
    st.booleans(),
    st.sampled_from(["completed", "in_progress"]),
    st.sampled_from(["success", "failure", "neutral", "skipped", None]),
)
STOPS = st.one_of(st.none(), st.builds(Stop, st.just("why"), st.integers(1, 5)))
ASKED = st.builds(
    Facts,
    st.just("production"),
    st.integers(1, 5),
    st.just("mona"),
    st.booleans(),
    ROLES,
    st.one_of(st.integers(1, 5), st.just(GONE)),
    st.sampled_from(["open", "closed", "merged", GONE]),
    TRUTHS,
    TRUTHS,
    SHAS,
    st.one_of(SHAS, st.none()),
    st.none(),
    st.one_of(TRUTHS, st.none()),
    st.one_of(st.lists(REVIEWS, max_size=4).map(tuple), st.just(GONE)),
    st.one_of(st.frozensets(st.integers(1, 5)), st.just(GONE)),
    TRUTHS,
    st.one_of(st.lists(CHECKS, max_size=4).map(tuple), st.just(GONE)),
    st.one_of(st.builds(Stops, STOPS, STOPS, STOPS), st.just(GONE)),
)
# From the good ones a few steps away, so that many cases are allowed.
NEAR = st.tuples(ASKED, st.sets(st.sampled_from(FIELDS), max_size=3)).map(
    lambda pair: dataclasses.replace(MERGED, **{name: getattr(pair[0], name) for name in pair[1]})
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(ASKED, NEAR))
def test_every_question_gets_an_answer(asked: Facts) -> None:
    found = judge(asked)
    assert all(isinstance(one, Objection) and one.words and one.next for one in found)
    if not found:
        assert isinstance(asked.actor_role, Role) and asked.actor_role >= Role.MAINTAIN and asked.actor_person
        seen = asked.head_sha if asked.state == "open" else asked.displayed_sha
        assert asked.actor_id != asked.author_id and asked.displayed_sha == seen
        assert asked.displayed_sha in (asked.head_sha, asked.merge_sha)
        assert asked.state in ("open", "merged") and isinstance(asked.checks, tuple)


@settings(max_examples=600, deadline=None)
@given(st.one_of(ASKED, NEAR), st.sampled_from(FIELDS))
def test_knowing_less_never_allows(asked: Facts, field: str) -> None:
    if judge(asked) and Unknown in get_args(get_type_hints(Facts)[field]):
        assert judge(facts(asked, **{field: GONE}))


WORSE = [changes for _, changes in REFUSED]


@settings(max_examples=600, deadline=None)
@given(st.one_of(ASKED, NEAR), st.sampled_from(WORSE))
def test_one_more_thing_against_it_never_allows(asked: Facts, changes: dict[str, Any]) -> None:
    # These may turn a trouble into none: another state, another commit, somebody who is not the author.
    turning = {"state", "merged_same", "head_sha", "displayed_sha", "actor_id", "author_id"}
    if judge(asked) and not turning & set(changes):
        assert judge(facts(asked, **changes))


@settings(max_examples=300, deadline=None)
@given(st.one_of(ASKED, NEAR), CHECKS, REVIEWS, st.integers(1, 5))
def test_what_is_added_to_a_list_of_troubles_never_allows(asked: Facts, check: Check, wish: Review, hand: int) -> None:
    if not judge(asked):
        return
    more = dataclasses.replace(wish, state="CHANGES_REQUESTED")
    if isinstance(asked.checks, tuple):
        assert judge(facts(asked, checks=(*asked.checks, check)))
    if isinstance(asked.reviews, tuple):
        assert judge(facts(asked, reviews=(*asked.reviews, more)))
    if isinstance(asked.hands, frozenset):
        assert judge(facts(asked, hands=asked.hands | {hand}))


def test_the_order_of_the_rules_decides_nothing() -> None:
    for _, changes in REFUSED:
        assert judge(facts(**changes), RULES[::-1])
    assert judge(GOOD, RULES[::-1]) == ()
