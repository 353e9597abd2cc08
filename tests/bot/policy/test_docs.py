"""docs/policy.md says what the schema says, and its examples are policies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bot import cli
from bot.policy import fields, terms
from bot.policy.compare import words
from bot.policy.load import load
from bot.policy.meets import Meet
from bot.policy.merge import Layer, merge
from bot.policy.parts import Said, Stage
from bot.policy.schema import Environments, Policy, json_schema
from bot.policy.terms import OVERRIDABLE

PAGE = (Path(__file__).parents[3] / "docs/policy.md").read_text()
EXAMPLES = re.findall(r"^### (.+?)\n(?:.*?)^```yaml\n(.*?)^```", PAGE, re.M | re.S)


def rows() -> Iterator[str]:
    """The table, one row a field, in the order of the schema."""
    held = dict(fields.held(terms.Preview(), "environments.preview"))
    held |= fields.held(terms.Terms(), "environments.*")
    for name in ("agents", "budgets", "isolation", "override", "scan"):
        held |= fields.held(getattr(terms.Effective(), name), name)
    for path, field_words, meet in named(Policy, ""):
        short = path.replace("environments.*", "*").replace("environments.preview", "preview")
        leaf = fields.leaves().get(path)
        default = words(held[path], leaf.say) if leaf else ""
        yield f"| `{short}` | {field_words} | {default} | {meet.words if meet else ''} |"


def named(model: type[Said], path: str) -> Iterator[tuple[str, str, Meet | None]]:
    for name, field in model.model_fields.items():
        here = f"{path}.{fields.shown(name)}" if path else name
        inner, meet = fields.part_of(field), fields.meet_of(field)
        if model is Environments and inner is not None and issubclass(inner, Stage):
            if name == "production":
                yield from named(inner, f"{path}.*")
            continue
        if inner is None or meet is not None:
            yield here, field.description or "", meet
        if inner is not None:
            listed = meet is not None and meet.name not in ("windows",)
            yield from named(inner, f"{here}[]" if listed else here)


def test_the_table_says_what_the_schema_says() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| `") and line.count(" | ") == 3]
    assert table == list(rows()), "\n".join(rows())


def test_the_rules_that_may_be_overridden_are_told() -> None:
    told = PAGE.split("## Overriding a rule")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", told, re.M)) == set(OVERRIDABLE)


def test_there_are_ten_policies() -> None:
    assert len(EXAMPLES) == 10
    assert len({title for title, _text in EXAMPLES}) == 10


@pytest.mark.parametrize(("title", "text"), EXAMPLES, ids=[title for title, _text in EXAMPLES])
def test_each_example_is_a_policy(title: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".slipway.yml"
    path.write_text(text)
    assert cli.main(["policy", "check", str(path), "--json"], lambda _w, _k: 0, lambda _o: 0) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert told["changes"], title


@pytest.mark.parametrize(("title", "text"), EXAMPLES, ids=[title for title, _text in EXAMPLES])
def test_editors_take_each_example(title: str, text: str) -> None:
    class Plain(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012
            key: [(tag, shape) for tag, shape in found if tag.rpartition(":")[2] in ("int", "float", "null")]
            for key, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
    shape = yaml.load(text, Plain)
    assert list(Draft202012Validator(json_schema()).iter_errors(shape)) == [], title


def test_the_shop_holds_to_its_organization() -> None:
    texts = dict(EXAMPLES)
    organization, shop = texts["An organization's floor"], texts["An online shop of that organization"]
    found = merge([Layer("organization", load(organization.encode())), Layer("project", load(shop.encode()))])
    production = found.terms("production")
    assert production.scan.critical == 0
    assert production.soak == 1800
    assert len(production.freezes) == 2
    assert found.override.by("freeze") == (frozenset(),)  # Black Friday is the shop's, and the shop names nobody
    assert found.override.by("window") == (frozenset({"team:acme/oncall"}),)
