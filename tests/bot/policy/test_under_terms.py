"""What each field of a policy changes in the verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.policy import Changed, Check, Facts, Role, Unknown, judge
from bot.policy.change import SCANNING, matches
from bot.policy.facts import Scanned
from bot.policy.terms import (
    Agents,
    Approvals,
    Effective,
    ExtraCheck,
    May,
    Require,
    RequiredCheck,
    Scan,
    Terms,
)
from bot.policy.windows import Freeze, Window, spans
from tests.bot.policy.test_rules import ACTOR, AUTHOR, BUILD, GOOD, HEAD, OTHER, OWN, facts, review

NOON = 1_795_435_200.0  # Mon 2026-11-23 12:00 UTC
UNREAD = Unknown("GitHub answers with 502.")


def under(terms: Terms | None = None, agents: Agents | None = None, **changes: Any) -> Facts:
    policy = Effective(environments={"production": terms or Terms()}, agents=agents or Agents())
    return facts(GOOD, **{"policy": policy, "now": NOON, "live_since": NOON - 60, **changes})


def codes(asked: Facts) -> list[str]:
    return [one.reason_code for one in judge(asked)]


def of_agents(**fields: Any) -> Agents:
    return Agents(require=Require(**fields))


def test_deployers_by_team_user_or_role() -> None:
    terms = Terms(deployers=(frozenset({"team:acme/deploy", "user:77"}),))
    assert codes(under(terms)) == ["not_permitted"]
    assert codes(under(terms, actor_teams=frozenset({"team:acme/deploy"}))) == []
    assert codes(under(terms, actor_teams=frozenset({"team:acme/other"}))) == ["not_permitted"]
    assert codes(under(terms, actor_teams=UNREAD)) == ["permission_unknown"]
    assert codes(under(terms, actor_id=77)) == []


def test_somebody_named_who_may_not_even_write_does_not_release() -> None:
    terms = Terms(deployers=(frozenset({"user:2"}),))
    assert codes(under(terms, actor_id=2, actor_role=Role.READ)) == ["not_permitted"]
    assert codes(under(terms, actor_id=2, actor_role=UNREAD)) == ["not_permitted"]


def test_several_layers_name_deployers_and_all_have_to_agree() -> None:
    terms = Terms(deployers=(frozenset({"role:maintain"}), frozenset({"team:acme/leads"})))
    assert codes(under(terms)) == ["not_permitted"]
    assert codes(under(terms, actor_teams=frozenset({"team:acme/leads"}))) == []


def test_an_empty_list_of_deployers_means_nobody() -> None:
    assert codes(under(Terms(deployers=(frozenset(),)), actor_role=Role.ADMIN)) == ["not_permitted"]


def test_the_author_may_promote_where_the_policy_says_so() -> None:
    own = {"author_id": ACTOR, "reviews": ()}
    free = Approvals(count=0)
    assert "not_permitted" in codes(under(Terms(approvals=free), **own))
    assert codes(under(Terms(approvals=free, author_may_promote=True), **own)) == []


def test_two_approvals_are_two_people() -> None:
    terms = Terms(approvals=Approvals(count=2))
    twice = (review(), review(state="APPROVED"))
    assert codes(under(terms, reviews=twice)) == ["approval_missing"]
    assert codes(under(terms, reviews=(review(), review(reviewer_id=9, login="otto")))) == []


def test_an_approval_by_command_counts_where_comments_do() -> None:
    said = (review(how="comment"),)
    assert codes(under(Terms(), reviews=said)) == ["approval_missing"]
    assert codes(under(Terms(approvals=Approvals(strength="comment")), reviews=said)) == []


def test_approvals_in_the_browser_are_not_there_yet_and_deny() -> None:
    assert codes(under(Terms(approvals=Approvals(strength="web")))) == ["approval_missing"]


def test_only_people_of_the_named_team_approve() -> None:
    terms = Terms(approvals=Approvals(from_=(frozenset({"team:acme/leads"}),)))
    assert codes(under(terms)) == ["approval_missing"]
    assert codes(under(terms, reviews=(review(teams=frozenset({"team:acme/leads"})),))) == []
    assert codes(under(terms, reviews=(review(teams=UNREAD),))) == ["approval_unknown"]


@pytest.mark.parametrize("field", ["requesters", "pusher_id"])
def test_who_asked_a_machine_or_pushed_last_does_not_approve(field: str) -> None:
    who = frozenset({3}) if field == "requesters" else 3
    assert codes(under(**{field: who})) == ["approval_missing"]


def test_the_requester_counts_only_where_the_policy_lets_them() -> None:
    """GitHub has this rule for Copilot only."""
    asked = {"agent": "Devin", "requesters": frozenset({3})}
    assert codes(under(**asked)) == ["approval_missing"]
    assert codes(under(None, of_agents(requester_counts=True), **asked)) == []


def test_an_agents_change_needs_more_approvals() -> None:
    agents = of_agents(approvals=2)
    assert codes(under(None, agents)) == []
    assert codes(under(None, agents, agent="Devin")) == ["approval_missing"]


def test_a_required_check_counts_by_name_and_app() -> None:
    """P6: anybody may report anything under any name."""
    terms = Terms(checks=frozenset({RequiredCheck("build", 15368)}), other_checks="ignored")
    assert codes(under(terms)) == []
    forged = dataclasses.replace(BUILD, app_id=666)
    assert codes(under(terms, checks=(forged, OWN))) == ["checks_pending"]
    failed = Check("lint", 1, False, "completed", "failure")
    assert codes(under(terms, checks=(BUILD, OWN, failed))) == []


def test_a_required_check_that_nobody_reports_is_missing() -> None:
    terms = Terms(checks=frozenset({RequiredCheck("e2e", 1)}))
    assert codes(under(terms)) == ["checks_pending"]


def test_our_own_verdicts_are_no_reason_for_themselves() -> None:
    gate = Check("slipway/gate", 7, True, "in_progress", None)
    forged = Check("slipway/gate", 8, False, "completed", "failure")
    assert codes(under(checks=(BUILD, OWN, gate))) == []
    assert codes(under(checks=(BUILD, OWN, forged))) == ["checks_failed"]


def test_soak_counts_from_when_it_was_shown() -> None:
    terms = Terms(soak=900)
    assert codes(under(terms)) == ["soaking"]
    assert codes(under(terms, live_since=NOON - 900)) == []
    assert codes(under(terms, live_since=None)) == ["soaking"]
    assert codes(under(terms, live_since=UNREAD)) == ["soak_unknown"]


def test_windows_and_freezes_of_the_policy() -> None:
    weekdays = (Window("Europe/Berlin", spans(["Mon-Thu 08:00-16:00"])),)
    assert codes(under(Terms(windows=weekdays))) == []
    assert codes(under(Terms(windows=weekdays), now=NOON + 5 * 3600)) == ["window_closed"]
    holidays = (Freeze(int(NOON) - 10, int(NOON) + 10, "holidays"),)
    assert codes(under(Terms(freezes=holidays))) == ["frozen"]
    assert codes(under(Terms(freezes=holidays), now=NOON + 10)) == []
    assert codes(under(Terms(freezes=holidays), lifted=frozenset({"freeze"}))) == []


def test_only_what_is_verified_in_staging_goes_on() -> None:
    terms = Terms(promote_from=(frozenset({"staging"}),))
    assert codes(under(terms)) == ["not_verified_before"]
    assert codes(under(terms, verified_in=frozenset({"staging"}))) == []
    assert codes(under(terms, verified_in=UNREAD)) == ["promote_from_unknown"]


def test_findings_are_limited_but_nothing_scanned_it() -> None:
    assert codes(under(Terms(scan=Scan(medium=0)))) == ["scan_unknown"]
    assert codes(under(Terms(scan=Scan(max_age=86_400)))) == ["scan_unknown"]
    assert codes(under(Terms(scan=Scan(medium=0, unknown="allow")))) == []


def test_where_nobody_scans_and_nobody_limits_it_no_scan_is_missed() -> None:
    assert codes(under(scan=None)) == []


LIMITED = Scan(critical=1, high=2, medium=3, low=4, secrets=1, malware=1)


@pytest.mark.parametrize("weight", ["critical", "high", "medium", "low", "secrets", "malware"])
def test_one_finding_more_than_allowed_is_too_many(weight: str) -> None:
    most = getattr(LIMITED, weight)
    terms = Terms(scan=LIMITED)
    assert codes(under(terms, scan=Scanned(**{weight: most}, at=NOON))) == []
    (refused,) = judge(under(terms, scan=Scanned(**{weight: most + 1}, at=NOON)))
    assert (refused.rule, refused.reason_code, refused.needs) == ("scan", "scan_failed", "change")
    assert (refused.actual, refused.brief) == (f"{most + 1} new {weight}", f"scan: {most + 1} new {weight}")
    assert f"{most} {weight}" in refused.required


def test_every_limit_that_is_broken_is_named_the_gravest_first() -> None:
    (refused,) = judge(under(scan=Scanned(critical=2, high=1, medium=9, secrets=1, at=NOON)))
    assert refused.actual == "1 new secrets, 2 new critical, 1 new high"
    assert refused.required == "at most 0 malware, 0 secrets, 0 critical, 0 high"


def test_without_a_policy_what_is_less_than_high_may_be_there() -> None:
    assert codes(under(scan=Scanned(medium=50, low=900, at=NOON))) == []


def test_a_scan_without_a_report_is_no_pass() -> None:
    broken = Unknown("there is no report of ruff (ended with exit code 2)")
    (refused,) = judge(under(scan=broken))
    assert (refused.reason_code, refused.needs) == ("scan_unknown", "answer")
    assert broken.why in refused.words
    assert codes(under(Terms(scan=Scan(unknown="allow")), scan=broken)) == []


def test_a_scan_that_goes_on_needs_time_and_nobody() -> None:
    (refused,) = judge(under(scan=Unknown(SCANNING)))
    assert (refused.reason_code, refused.needs) == ("scan_unknown", "time")


def test_a_scan_is_old_a_moment_after_its_last_one() -> None:
    terms = Terms(scan=Scan(max_age=86_400))
    assert codes(under(terms, scan=Scanned(at=NOON - 86_400))) == []
    (refused,) = judge(under(terms, scan=Scanned(at=NOON - 36 * 3600)))
    assert (refused.reason_code, refused.actual, refused.required) == ("scan_old", "36 h", "24 h")
    assert "/redeploy" in str(refused.next)
    assert codes(under(scan=Scanned(at=0.0))) == []


def test_what_became_known_after_the_scan_counts_against_the_same_limits() -> None:
    late = Scanned(at=NOON, late=("GHSA-1: flask 0.12",), late_found={"high": 1})
    (refused,) = judge(under(scan=late))
    assert (refused.rule, refused.reason_code, refused.actual) == ("scan", "advisory_found", "1 new high")
    assert "GHSA-1: flask 0.12" in refused.words
    assert codes(under(Terms(scan=Scan(high=1)), scan=late)) == []
    assert codes(under(scan=late, lifted=frozenset({"scan"}))) == []
    assert codes(under(scan=dataclasses.replace(late, high=1))) == ["scan_failed"]


def test_advisories_that_nobody_could_ask_deny_and_hide_nothing_that_the_scan_found() -> None:
    silent, lax = Scanned(at=NOON, late=UNREAD), Terms(scan=Scan(unknown="allow"))
    (refused,) = judge(under(scan=silent))
    assert (refused.reason_code, refused.needs) == ("advisories_unknown", "answer")
    assert codes(under(lax, scan=silent)) == []
    assert codes(under(lax, scan=dataclasses.replace(silent, critical=1))) == ["scan_failed"]


def test_what_revokes_later_is_no_limit_where_nobody_scans() -> None:
    assert codes(under(Terms(scan=Scan(revoke="threshold")), scan=None)) == []


def test_the_scan_is_lifted_only_by_its_name() -> None:
    grave = Scanned(critical=1, at=NOON)
    assert codes(under(scan=grave, lifted=frozenset({"scan"}))) == []
    assert codes(under(scan=grave, lifted=frozenset({"checks"}))) == ["scan_failed"]


def test_our_scans_check_is_no_reason_beside_the_scan_itself() -> None:
    """The books know better, and a person's leave is in them before GitHub hears of it."""
    failed = Check("slipway/scan", 7, True, "completed", "failure")
    assert codes(under(checks=(BUILD, OWN, failed), scan=Scanned(at=NOON))) == []
    assert codes(under(checks=(BUILD, OWN, failed), scan=None)) == ["checks_failed"]
    forged = dataclasses.replace(failed, own=False, conclusion="success")
    assert codes(under(checks=(BUILD, OWN, forged), scan=Scanned(secrets=1, at=NOON))) == ["scan_failed"]


CHANGE = Changed(2, 900, ("infra/main.tf", "src/app.py"))


@pytest.mark.parametrize(
    ("require", "changed", "code"),
    [
        ({"max_lines": 800}, CHANGE, "too_large"),
        ({"max_files": 1}, CHANGE, "too_large"),
        ({"max_lines": 800}, UNREAD, "size_unknown"),
        ({"deny_paths": frozenset({"infra/**"})}, CHANGE, "path_denied"),
        ({"deny_paths": frozenset({"secret/**"})}, CHANGE, None),
        ({"deny_paths": frozenset({"secret/**"})}, dataclasses.replace(CHANGE, whole=False), "paths_unknown"),
        ({"new_dependencies": "ack"}, Changed(1, 1, ("web/package.json",)), "ack_missing"),
        ({"new_dependencies": "deny"}, Changed(1, 1, ("requirements-dev.txt",)), "dependencies_denied"),
        ({"new_dependencies": "ack"}, CHANGE, None),
        ({"migrations": "ack"}, Changed(1, 1, ("shop/migrations/0002_drop.py",)), "ack_missing"),
        ({"migrations": "ack"}, UNREAD, "migrations_unknown"),
    ],
)
def test_what_an_agents_change_touches(require: dict[str, Any], changed: Any, code: str | None) -> None:
    agents = of_agents(**require)
    assert codes(under(None, agents, changed=changed)) == []
    assert codes(under(None, agents, changed=changed, agent="Devin")) == ([code] if code else [])


def test_a_persons_leave_lets_new_dependencies_in() -> None:
    asked = {"agent": "Devin", "changed": Changed(1, 1, ("package.json",))}
    agents = of_agents(new_dependencies="ack")
    assert codes(under(None, agents, acks=frozenset({"dependencies"}), **asked)) == []
    assert codes(under(None, agents, acks=frozenset({"migrations"}), **asked)) == ["ack_missing"]


def test_a_decision_made_elsewhere_denies_when_it_does_not_come() -> None:
    url = "https://opa.example.org/secret-path"
    terms = Terms(extra_checks=frozenset({ExtraCheck(webhook=url)}))
    assert codes(under(terms)) == ["extra_check_unknown"]
    assert codes(under(terms, extra={url: False})) == ["extra_check_denied"]
    assert codes(under(terms, extra={url: True})) == []
    assert all("secret-path" not in one.words for one in judge(under(terms, extra={url: False})))


def test_a_confirmation_is_a_second_command() -> None:
    assert codes(under(Terms(confirm="comment"))) == ["confirmation_missing"]
    assert codes(under(Terms(confirm="comment"), confirmed=True)) == []
    assert codes(under(Terms(confirm="web"))) == ["confirmation_missing"]


def test_a_machine_may_where_the_policy_says_so_and_only_a_declared_one() -> None:
    agents = Agents(may=May(promote=frozenset({"production"})))
    machine = {"actor_person": False, "actor_role": Role.NONE}
    assert codes(under(None, agents, actor_agent=True, **machine)) == []
    assert "not_permitted" in codes(under(None, agents, actor_agent=False, **machine))
    assert "not_permitted" in codes(under(None, None, actor_agent=True, **machine))


@pytest.mark.parametrize("rule", ["permission", "isolation", "secrets"])
def test_what_nobody_may_lift_is_never_lifted(rule: str) -> None:
    refused = under(actor_role=Role.READ, lifted=frozenset({rule}))
    assert codes(refused) == ["not_permitted"]


def test_a_policy_that_cannot_be_read_denies() -> None:
    assert codes(under(policy_fault=Unknown("line 3: it is no YAML"))) == ["policy_unreadable"]


def test_an_approval_of_the_same_commit_elsewhere_is_none() -> None:
    """P3: after A, B and A again only approvals of A count; those of another commit do not."""
    assert codes(under(reviews=(review(commit=OTHER),))) == ["approval_missing"]
    assert codes(under(reviews=(review(commit=HEAD),))) == []
    assert AUTHOR != ACTOR


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("infra/**", "infra/a/b.tf", True),
        ("infra/**", "infrastructure/x", False),
        ("**/migrations/**", "migrations/1.py", True),
        ("**/migrations/**", "a/b/migrations/1.py", True),
        ("*.py", "a/b.py", False),
        ("src/*.py", "src/b.py", True),
        ("a.c", "abc", False),
        ("**", "anything/at/all", True),
        ("x/**", "x/new\nline", True),
    ],
)
def test_patterns_of_paths(pattern: str, path: str, found: bool) -> None:
    assert matches(pattern, path) is found
