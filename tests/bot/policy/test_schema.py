"""The schema, what holds, and the format that editors read say the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from bot.policy import fields, terms
from bot.policy.facts import Role
from bot.policy.merge import merge
from bot.policy.parts import Said, Stage
from bot.policy.schema import Policy, json_schema
from bot.releases.verdict import Watch
from bot.store.retention import KEPT

FORMAT = json_schema()


def test_a_field_without_a_meet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Said):
        soak: Annotated[int | None, "no meet"] = None

    with pytest.raises(TypeError, match="soak has no meet"):
        list(fields._leaves(Careless, ""))


def test_every_field_of_the_schema_has_its_default_in_the_terms() -> None:
    held = dict(fields.held(terms.Preview(), "environments.preview"))
    held |= fields.held(terms.Terms(), "environments.*")
    for name in ("agents", "budgets", "isolation", "override", "scan"):
        held |= fields.held(getattr(terms.Effective(), name), name)
    assert set(held) == set(fields.leaves())


def test_every_rule_that_may_be_overridden_stands_on_fields_that_there_are() -> None:
    known = [path.removeprefix("environments.*.") for path in fields.leaves()]
    for roots in terms.OVERRIDABLE.values():
        for root in roots:
            assert any(path == root or path.startswith(f"{root}.") for path in known), root


def test_nothing_said_means_none_everywhere() -> None:
    def silent(model: type[Said]) -> None:
        for name, field in model.model_fields.items():
            part = fields.part_of(field)
            assert field.default is None, name
            if part is not None and fields.meet_of(field) is None:
                silent(part)

    silent(Policy)


def test_the_defaults_are_the_rules_without_a_policy() -> None:
    production = merge([]).terms("production")
    watch = Watch()
    assert production.deployers == (frozenset({f"role:{Role.MAINTAIN.word}"}),)
    assert production.approvals.count == 1
    assert production.approvals.from_ == (frozenset({f"role:{Role.WRITE.word}"}),)
    assert not production.author_may_promote
    assert (production.soak, production.windows, production.freezes) == (0, (), ())
    assert production.retention.verified == KEPT
    health = production.health
    assert (health.interval, health.fail_after, health.min_samples, health.window) == (
        *(watch.interval, watch.fail_after, watch.min_samples),
        watch.window,
    )
    assert merge([]).budgets.limits == ()


def test_the_format_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(FORMAT)
    assert FORMAT["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def parts() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Policy", FORMAT
    yield from FORMAT["$defs"].items()


def test_every_field_is_described_to_editors() -> None:
    bare = [f"{part}.{name}" for part, shape in parts() for name, field in shape["properties"].items()
            if not field.get("description")]  # fmt: skip
    assert bare == []


def test_editors_see_unknown_names_and_the_names_of_environments() -> None:
    for part, shape in parts():
        if part != "Environments":
            assert shape["additionalProperties"] is False, part
    places = FORMAT["$defs"]["Environments"]
    assert set(places["properties"]) == {"preview", "staging", "production"}
    assert places["additionalProperties"] == {"$ref": "#/$defs/Stage"}


@pytest.mark.parametrize(
    ("shape", "good"),
    [
        ({}, True),
        ({"environments": {"production": {"approvals": {"from": ["team:acme/leads"]}}}}, True),
        ({"environments": {"production": {"approvals": {"from_": ["team:acme/leads"]}}}}, False),
        ({"environments": {"production": {"approvals": {"from": ["mona"]}}}}, False),
        ({"environments": {"production": {"soak": "15m", "checks": [{"name": "x", "app": "self"}]}}}, True),
        ({"environments": {"production": {"soak": 15}}}, False),
        ({"environments": {"eu": {"soak": "15m"}}}, True),
        ({"budgets": {"limits": [{"scope": "agent:*", "period": "day", "limit": "0.25"}]}}, True),
        ({"budgets": {"limits": [{"scope": "planet", "period": "day", "limit": 1}]}}, False),
        ({"override": {"roles": {"soak": ["role:admin"]}}}, True),
    ],
)
def test_editors_and_the_check_agree(shape: dict[str, Any], good: bool) -> None:
    def tupled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: tupled(item) for name, item in value.items()}
        return tuple(map(tupled, value)) if isinstance(value, list) else value

    assert Draft202012Validator(FORMAT).is_valid(shape) is good
    try:
        Policy.model_validate(tupled(shape))
    except ValidationError:
        assert not good
    else:
        assert good


def test_terms_are_never_changed() -> None:
    for name in ("Terms", "Preview", "Approvals", "Health", "Agents", "Budgets", "Isolation", "Override", "Effective"):
        assert getattr(terms, name).__dataclass_params__.frozen
    with pytest.raises(ValidationError, match="frozen"):
        Stage(soak="15m").soak = 0  # type: ignore[arg-type,misc]
    assert dataclasses.replace(terms.Terms(), soak=5).soak == 5
