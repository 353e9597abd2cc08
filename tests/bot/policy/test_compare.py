"""What a change of the policy does, field by field."""

from __future__ import annotations

import pytest

from bot.policy.compare import Difference, compare, loosened
from bot.policy.load import load
from bot.policy.merge import Layer, merge
from bot.policy.terms import Effective


def holds(text: str) -> Effective:
    return merge([Layer("project", load(text.encode()))])


def production(line: str) -> Effective:
    return holds(f"environments: {{production: {{{line}}}}}")


def change(old: str, new: str) -> tuple[str, str, str]:
    """The only difference."""
    (found,) = compare(production(old), production(new))
    return found.way, found.before, found.after


STRICT = """
environments:
  production:
    approvals: {count: 2, from: [team:acme/leads]}
    soak: 1h
    scan: {critical: 0}
    freezes: [{from: 2026-12-20, to: 2027-01-04, reason: holidays}]
agents: {require: {max_lines: 800, deny_paths: ["infra/**"]}}
budgets: {limits: [{scope: project, period: month, limit: 50}]}
"""
ENDLESS = """
environments:
  production:
    approvals: {count: 0}
    soak: 0s
    scan: {critical: 100000}
agents: {require: {max_lines: 1000000}}
budgets: {limits: [{scope: project, period: month, limit: 1000000000}]}
"""


def test_p23_limits_set_to_infinity_are_seen_as_looser() -> None:
    found = compare(holds(STRICT), holds(ENDLESS))
    assert loosened(found)
    assert {difference.path: difference.way for difference in found} == dict.fromkeys(
        [
            "environments.production.approvals.count",
            "environments.production.approvals.from",
            "environments.production.soak",
            "environments.production.scan.critical",
            "environments.production.freezes",
            "agents.require.max_lines",
            "agents.require.deny_paths",
            "budgets.limits",
        ],
        "looser",
    )


def test_p23_the_other_way_round_it_is_tighter() -> None:
    found = compare(holds(ENDLESS), holds(STRICT))
    assert not loosened(found)
    assert {difference.way for difference in found} == {"tighter"}


def test_p23_one_looser_field_among_tighter_ones_is_enough() -> None:
    found = compare(production("soak: 1h"), production("soak: 2h, approvals: {count: 0}, confirm: web"))
    assert loosened(found)
    assert [difference.path for difference in found if difference.way == "looser"] == [
        "environments.production.approvals.count"
    ]


def test_p23_removing_the_file_is_looser() -> None:
    assert loosened(compare(holds(STRICT), holds("")))


def test_p23_a_new_environment_without_rules_is_no_way_around() -> None:
    assert loosened(compare(holds(STRICT), holds(f"{STRICT}\n".replace("production:", "eu:"))))
    assert compare(holds(""), holds("environments: {eu: {approvals: {count: 0}}}"))[0].way == "looser"


def test_nothing_changes_nothing() -> None:
    assert compare(holds(STRICT), holds(STRICT)) == ()
    assert compare(holds(""), production("approvals: {count: 1}, soak: 0s")) == ()


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ("deployers: [role:maintain]", "deployers: [role:admin]", "tighter"),
        ("deployers: [role:maintain]", "deployers: [role:write]", "looser"),
        ("deployers: [role:write]", "deployers: [team:acme/shop]", "tighter"),  # who is named may write anyway
        ("deployers: [role:maintain]", "deployers: [team:acme/shop]", "looser"),  # its members may only write
        ("deployers: [user:7]", "deployers: [user:7, user:8]", "looser"),
        ("deployers: [user:7]", "deployers: []", "tighter"),
        ("promote_from: [staging]", "promote_from: [staging, preview]", "looser"),
        (
            'windows: {tz: UTC, allow: ["Mon-Fri 08:00-16:00"]}',
            'windows: {tz: UTC, allow: ["Mon-Fri 09:00-12:00"]}',
            "tighter",
        ),
        (
            'windows: {tz: UTC, allow: ["Mon-Fri 08:00-16:00"]}',
            'windows: {tz: UTC, allow: ["Mon-Fri 08:00-17:00"]}',
            "looser",
        ),
        (
            'windows: {tz: UTC, allow: ["Mon-Fri 08:00-16:00"]}',
            'windows: {tz: Europe/Paris, allow: ["Mon-Fri 08:00-16:00"]}',
            "looser",
        ),
        (
            "freezes: [{from: 2026-12-20, to: 2027-01-04}]",
            "freezes: [{from: 2026-12-18, to: 2027-01-05}]",
            "tighter",
        ),
        (
            "freezes: [{from: 2026-12-20, to: 2027-01-04}]",
            "freezes: [{from: 2026-12-20, to: 2027-01-03}]",
            "looser",
        ),
        ("other_checks: required", "other_checks: ignored", "looser"),
        ("checks: [{name: build, app: 1}]", "checks: [{name: build, app: 2}]", "looser"),
        ("health: {path: /a}", "health: {path: /b}", "other"),
        ("health: {window: 5m}", "health: {window: 10m}", "tighter"),
        ("health: {interval: 5s}", "health: {interval: 10s}", "looser"),
        ("approvals: {strength: review}", "approvals: {strength: comment}", "looser"),
        ("approvals: {exclude: [author]}", "approvals: {exclude: []}", "looser"),
        ("confirm: comment", "confirm: web", "tighter"),
        ("author_may_promote: false", "author_may_promote: true", "looser"),
    ],
)
def test_ways(old: str, new: str, way: str) -> None:
    assert change(old, new)[0] == way


def test_a_freeze_with_other_words_is_the_same() -> None:
    one, other = (f"freezes: [{{from: 2026-12-20, to: 2027-01-04, reason: {words}}}]" for words in ("fair", "party"))
    assert compare(production(one), production(other)) == ()


def test_before_and_after_are_told_in_words() -> None:
    assert change("soak: 15m", "soak: 36h") == ("tighter", "15m", "36h")
    assert change("deployers: [user:7, team:acme/a]", "deployers: []") == ("tighter", "team:acme/a, user:7", "nobody")
    assert change("scan: {medium: 0}", "scan: {}") == ("looser", "0", "not said")
    assert change("scan: {}", "scan: {critical: 3}") == ("looser", "0", "3")
    assert change("confirm: none", 'windows: {tz: UTC, allow: ["Mon 08:00-16:00"]}') == (
        *("tighter", "none"),
        "Mon 08:00-16:00 (UTC)",
    )
    assert change("confirm: none", "freezes: [{from: 2026-12-20, to: 2027-01-04}]")[2] == (
        "2026-12-20 00:00 to 2027-01-04 00:00 UTC"
    )
    assert change("confirm: none", "checks: [{name: build, app: 5}, {name: scan, app: self}]")[2] == (
        "build (app 5), scan (app self)"
    )
    assert change("confirm: none", "extra_checks: [{webhook: 'https://opa.example.org/'}]")[2] == (
        "https://opa.example.org/ (3s)"
    )


def test_budgets_agents_and_overrides_are_told_in_words() -> None:
    new = holds(
        "agents: {identities: [{app: 5, name: a}], preview: {memory: 1Gi}}\n"
        "budgets: {currency: EUR, limits: [{scope: 'pr:*', period: lifetime, limit: '2.5'}]}\n"
        "override: {roles: {freeze: [team:acme/oncall]}}"
    )
    assert compare(holds(""), new) == (
        Difference("agents.identities", "tighter", "none", "app 5"),
        Difference("agents.preview.memory", "tighter", "not said", "1Gi"),
        Difference("budgets.limits", "tighter", "none", "2.50 EUR a lifetime for pr:*, then deny_new"),
        Difference("override.roles", "looser", "nobody", "freeze: team:acme/oncall"),
    )
