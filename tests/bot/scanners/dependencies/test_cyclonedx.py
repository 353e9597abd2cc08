"""The bill of materials."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator

from bot.scanners.dependencies import Dependency, sbom

COMPONENT: dict[str, Any] = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {
        "type": {"enum": ["application", "library"]},
        "bom-ref": {"type": "string", "minLength": 1},
        **{key: {"type": "string", "minLength": 1} for key in ("name", "group", "version")},
        "purl": {"type": "string", "pattern": r"^pkg:(pypi|npm)/[^\s@]+(@[^\s@]+)?$"},
    },
    "additionalProperties": False,
}
SHAPE: dict[str, Any] = {  # what CycloneDX 1.5 says of the members that are used here
    "type": "object",
    "required": ["bomFormat", "specVersion", "version"],
    "properties": {
        "bomFormat": {"const": "CycloneDX"},
        "specVersion": {"const": "1.5"},
        "serialNumber": {
            "type": "string",
            "pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        },
        "version": {"type": "integer", "minimum": 1},
        "metadata": {
            "type": "object",
            "properties": {
                "timestamp": {"type": "string"},
                "tools": {"type": "object", "properties": {"components": {"type": "array", "items": COMPONENT}}},
                "component": COMPONENT,
            },
            "additionalProperties": False,
        },
        "components": {"type": "array", "items": COMPONENT, "uniqueItems": True},
        "dependencies": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ref"],
                "properties": {"ref": {"type": "string"}, "dependsOn": {"type": "array", "uniqueItems": True}},
            },
        },
    },
    "additionalProperties": False,
}
EVERY = [
    Dependency("npm", "@acme/ui", "1.0.0+b", "package-lock.json", 9, False),
    Dependency("npm", "@acme/ui", None, "package.json", 3, True),
    Dependency("pip", "flask", "3.0.0", "requirements.txt", 1, True),
    Dependency("pip", "idna", None, "requirements.txt", 2, True),
    Dependency("pip", "jinja2", "3.1", "uv.lock", 2, False),
    Dependency("pip", "jinja2", "3.1", "other/uv.lock", 2, False),
]


def test_a_bill_has_the_required_shape() -> None:
    bill = sbom(EVERY, "acme/shop", "abc", 1_800_000_000.0)

    Draft202012Validator(SHAPE).validate(bill)
    assert [one["purl"] for one in bill["components"]] == [
        "pkg:npm/%40acme/ui@1.0.0%2Bb",
        "pkg:pypi/flask@3.0.0",
        "pkg:pypi/idna",
        "pkg:pypi/jinja2@3.1",
    ]
    refs = {one["bom-ref"] for one in bill["components"]}
    assert set(bill["dependencies"][0]["dependsOn"]) == refs - {"pkg:pypi/jinja2@3.1"}, "what somebody wrote"
    assert datetime.fromisoformat(bill["metadata"]["timestamp"]).timestamp() == 1_800_000_000.0
    assert bill["components"][0]["group"] == "@acme" and bill["components"][0]["name"] == "ui"


def test_the_same_content_has_the_same_number() -> None:
    number = sbom(EVERY, "acme/shop", "abc", 1.0)["serialNumber"]

    assert sbom(EVERY[::-1], "acme/shop", "abc", 2.0)["serialNumber"] == number
    assert sbom(EVERY[1:], "acme/shop", "abc", 1.0)["serialNumber"] != number
    assert sbom(EVERY, "acme/shop", "abd", 1.0)["serialNumber"] != number
    assert re.fullmatch(r"urn:uuid:\S{13}-5\S{3}-[89ab]\S{3}-\S{12}", number)


def test_nothing_at_all_is_a_bill_too() -> None:
    Draft202012Validator(SHAPE).validate(sbom([], "acme/shop", "abc", 0.0))
