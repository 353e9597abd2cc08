"""Who looks at a change: the server says how a scanner is started, everybody else only names it."""

from __future__ import annotations

import pytest

from bot.policy.load import Invalid, load
from bot.policy.merge import Layer, merge
from bot.policy.scanning import Scanner, Scanning

OFFER = b"""
scan:
  scanners:
    - {name: acme-lint, command: [acme-lint, --sarif], files: ["**/*.py"], needed: false, everywhere: false}
"""
NAMED = b"scan: {scanners: [{name: acme-lint}]}"


def held(server: bytes, *others: bytes) -> Scanning:
    names = ("organization", "project")
    layers = [Layer("server", load(server, server=True))]
    return merge([*layers, *(Layer(name, load(text)) for name, text in zip(names, others, strict=False))]).scan


def said(text: str, *, server: bool = False) -> str:
    with pytest.raises(Invalid) as caught:
        load(text.encode(), server=server)
    return str(caught.value)


@pytest.mark.parametrize(
    "own",
    ["command: [curl, -o, x]", "rules: /etc", 'files: ["**"]', "everywhere: true"],
)
def test_no_repository_says_how_anything_is_started(own: str) -> None:
    text = f"scan:\n  scanners:\n    - name: acme-lint\n      {own}\n"
    assert "can only be said in the server's own policy" in said(text)


def test_an_offer_looks_where_somebody_names_it_and_is_needed_there() -> None:
    (offered,) = held(OFFER).scanners
    assert not offered.wanted and not offered.needed

    (named,) = held(OFFER, b"", NAMED).scanners
    assert named.wanted and named.needed and named.command == ("acme-lint", "--sarif")


def test_a_project_loosens_nothing_that_the_server_needs() -> None:
    floor = OFFER.replace(b"needed: false, everywhere: false", b"needed: true")
    (one,) = held(floor, b"scan: {upload: true}", b"scan: {scanners: [{name: acme-lint, needed: false}]}").scanners
    assert one.wanted and one.needed


def test_nobody_takes_the_upload_back() -> None:
    assert held(b"scan: {upload: true}", b"", b"scan: {upload: false}").upload
    assert not held(b"").upload


def test_to_speak_of_the_scan_lets_nobody_less_lift_its_rule() -> None:
    roles = b"override: {roles: {scan: [role:admin]}}"
    found = merge([Layer("organization", load(roles)), Layer("project", load(b"scan: {upload: true}"))])
    assert found.override.by("scan") == (frozenset({"role:admin"}),)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{name: x, command: [x]}", 'say "files"'),
        ('{name: x, files: ["*"]}', 'either "command" or "rules"'),
        ('{name: x, command: [x], rules: /srv, files: ["*"]}', 'either "command" or "rules"'),
        ('{name: kingfisher, command: [x], files: ["*"]}', "is there already"),
        ('{name: ../x, command: [x], files: ["*"]}', "is no scanner's name"),
        ('{name: x, rules: relative, files: ["*"]}', "is no folder"),
        ('{name: x, command: [/bin/x], files: ["*"]}', "is no program's name"),
        ("{name: x}, {name: x}", "twice"),
    ],
)
def test_what_makes_no_scanner_is_told(entry: str, words: str) -> None:
    assert words in said(f"scan: {{scanners: [{entry}]}}", server=True)


def test_a_bare_name_needs_it() -> None:
    assert held(b"", b"", b"scan: {scanners: [{name: trivy}]}").scanners == (Scanner("trivy"),)
