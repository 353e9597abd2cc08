"""What holds when a server, an organization and a project speak."""

from __future__ import annotations

import dataclasses

import pytest

from bot.policy.load import load
from bot.policy.merge import Layer, merge
from bot.policy.terms import NEVER, Effective, Limit, RequiredCheck, Terms
from bot.policy.windows import Window


def layers(*texts: str) -> list[Layer]:
    names = ("server", "organization", "project")[-len(texts) :] if texts else ()
    return [Layer(name, load(text.encode())) for name, text in zip(names, texts, strict=True)]


def merged(*texts: str) -> Effective:
    return merge(layers(*texts))


def production(*lines: str) -> Terms:
    """What holds in production when these layers each say one thing of it."""
    return merged(*(f"environments: {{production: {{{line}}}}}" for line in lines)).terms("production")


def test_a_project_may_go_below_the_defaults() -> None:
    hobby = production("approvals: {count: 0}, deployers: [role:write], author_may_promote: true")
    assert (hobby.approvals.count, hobby.author_may_promote) == (0, True)
    assert hobby.deployers == (frozenset({"role:write"}),)


def test_a_project_may_not_go_below_its_organization() -> None:
    found = production("approvals: {count: 2}, soak: 1h", "approvals: {count: 0}, soak: 5m")
    assert (found.approvals.count, found.soak) == (2, 3600)


def test_a_project_may_go_above_its_organization() -> None:
    found = production("approvals: {count: 2}, soak: 5m", "approvals: {count: 3}, soak: 1h")
    assert (found.approvals.count, found.soak) == (3, 3600)


def test_whoever_deploys_is_in_every_list() -> None:
    found = production("deployers: [team:acme/deploy]", "deployers: [team:acme/shop, user:7]")
    assert set(found.deployers) == {frozenset({"team:acme/deploy"}), frozenset({"team:acme/shop", "user:7"})}


def test_lists_that_say_no_more_are_left_out() -> None:
    assert production("deployers: [role:maintain]", "deployers: [role:admin]").deployers == (frozenset({"role:admin"}),)
    assert production("deployers: [role:write]", "deployers: [team:acme/shop]").deployers == (
        frozenset({"team:acme/shop"}),
    )
    assert production("deployers: [user:7]", "deployers: [user:7, user:8]").deployers == (frozenset({"user:7"}),)


def test_checks_add_up() -> None:
    found = production("checks: [{name: build, app: 15368}]", "checks: [{name: lint, app: self}]")
    assert found.checks == {RequiredCheck("build", 15368), RequiredCheck("lint", None)}


def test_windows_narrow_and_freezes_add_up() -> None:
    found = production(
        'windows: {tz: Europe/Berlin, allow: ["Mon-Fri 08:00-18:00"]}, freezes: [{from: 2026-12-20, to: 2027-01-04}]',
        'windows: {tz: Europe/Berlin, allow: ["Thu-Sun 06:00-12:00"]}, freezes: [{from: 2026-12-01, to: 2026-12-02}]',
    )
    assert found.windows == (Window("Europe/Berlin", ((4800, 5040), (6240, 6480))),)
    assert len(found.freezes) == 2


def test_a_freeze_is_on_the_clock_of_its_environment() -> None:
    berlin = 'windows: {tz: Europe/Berlin, allow: ["00:00-24:00"]}, freezes: [{from: 2026-12-20, to: 2027-01-04}]'
    utc = "freezes: [{from: 2026-12-20, to: 2027-01-04}]"
    assert production(utc).freezes[0].start - production(berlin).freezes[0].start == 3600


def test_watching_gets_earlier_and_longer() -> None:
    found = production(
        "health: {interval: 5s, fail_after: 3, window: 5m, path: /healthz}",
        "health: {interval: 10s, fail_after: 2, window: 2m, path: /ready}",
    ).health
    assert (found.interval, found.fail_after, found.window) == (5, 2, 300)
    assert found.path == "/ready"  # where its health is, a project knows best


def test_limits_of_the_same_scope_become_the_smaller_one() -> None:
    found = merged(
        "budgets: {currency: EUR, limits: [{scope: project, period: month, limit: 50, alert: [80]}]}",
        "budgets: {currency: EUR, limits: [{scope: project, period: month, limit: 80, on_limit: sleep_previews},"
        " {scope: 'pr:*', period: lifetime, limit: 2}]}",
    ).budgets.limits
    assert found == (
        Limit("pr:*", "lifetime", "EUR", "UTC", 2_000_000, (50, 80, 95), "deny_new"),
        Limit("project", "month", "EUR", "UTC", 50_000_000, (50, 80, 95), "sleep_previews"),
    )


def test_limits_in_two_currencies_both_hold() -> None:
    limit = "limits: [{scope: project, period: month, limit: 50}]"
    found = merged(f"budgets: {{currency: EUR, {limit}}}", f"budgets: {{currency: USD, {limit}}}").budgets.limits
    assert [one.currency for one in found] == ["EUR", "USD"]


def test_what_agents_may_is_what_all_let_them() -> None:
    found = merged("agents: {may: {promote: [staging, production]}}", "agents: {may: {promote: [staging]}}").agents
    assert found.may.promote == {"staging"}
    assert merged("agents: {may: {promote: []}}", "agents: {may: {promote: [staging]}}").agents.may.promote == set()


def test_only_who_is_named_by_all_that_set_a_rule_may_lift_it() -> None:
    soak = "environments: {production: {soak: 1h}}"
    roles = "override: {roles: {soak: [team:acme/oncall]}}"
    nobody = (frozenset(),)
    oncall = (frozenset({"team:acme/oncall"}),)
    assert merged(f"{soak}\n{roles}").override.by("soak") == oncall
    assert merged(roles, "version: 1").override.by("soak") == oncall
    assert merged(soak, roles).override.by("soak") == nobody  # a project can't lift what its organization sets
    assert merged(soak, f"{soak}\n{roles}").override.by("soak") == nobody
    assert merged(f"{soak}\n{roles}", f"{soak}\noverride: {{roles: {{soak: role:admin}}}}").override.by("soak") == (
        frozenset({"role:admin"}),
        frozenset({"team:acme/oncall"}),
    )
    assert merged(roles, "override: {never: [soak]}").override.by("soak") == nobody
    assert merged().override.by("soak") == nobody


def test_isolation_secrets_and_permission_are_never_lifted() -> None:
    found = merged("override: {never: []}").override
    assert found.never == NEVER
    assert all(found.by(rule) == (frozenset(),) for rule in NEVER)


def test_environments_of_every_layer_hold() -> None:
    found = merged("environments: {eu: {soak: 1h}}", "environments: {us: {soak: 2h}, staging: {soak: 5m}}")
    assert sorted(found.environments) == ["eu", "production", "staging", "us"]
    assert [found.terms(name).soak for name in ("eu", "us", "staging", "production")] == [3600, 7200, 300, 0]
    assert found.terms("elsewhere") == Terms()


def test_each_field_knows_who_decided_it() -> None:
    found = merged(
        "environments: {preview: {ttl: 7d}}",
        "environments: {production: {soak: 1h, approvals: {from: [team:acme/leads]}}}",
        "environments: {production: {soak: 5m, approvals: {from: [team:acme/shop]}}, preview: {ttl: 24h}}",
    )
    assert found.decided["environments.production.soak"] == ("organization",)
    assert found.decided["environments.preview.ttl"] == ("project",)
    assert found.decided["environments.production.approvals.from"] == ("organization", "project")
    assert "environments.production.confirm" not in found.decided


def test_the_digest_is_of_what_holds() -> None:
    strict, lax = "environments: {production: {soak: 1h}}", "environments: {production: {soak: 5m}}"
    assert merged(strict, lax).digest == merged(lax, strict).digest == merged(strict).digest
    assert merged(strict).digest != merged(lax).digest
    assert merged("environments: {production: {approvals: {count: 1}}}").digest == merged().digest
    assert len(merged().digest) == 64


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_lists_in_another_order_are_the_same(order: tuple[int, ...]) -> None:
    names = ["team:acme/a", "team:acme/b", "user:7"]
    text = f"environments: {{production: {{deployers: [{', '.join(names[n] for n in order)}]}}}}"
    assert merged(text).digest == merged(f"environments: {{production: {{deployers: [{', '.join(names)}]}}}}").digest


def test_what_holds_can_be_made_by_hand() -> None:
    found = dataclasses.replace(merged(), environments={"production": Terms(soak=5)})
    assert found.digest != merged().digest
