"""Names of previews: one DNS label, never shared by two repositories."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.hosts import commit_label, pull_label

names = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_.", min_size=1, max_size=100)


def test_a_pull_request_has_a_name_people_can_guess() -> None:
    assert pull_label(12, "acme", "shop") == "pr-12--shop--acme"


def test_a_commit_has_a_name_of_its_own() -> None:
    assert commit_label("0123456789abcdef", "acme", "shop") == "c-0123456--shop--acme"


@given(st.integers(1, 10**9), names, names)
def test_every_name_is_one_dns_label(number: int, owner: str, name: str) -> None:
    label = pull_label(number, owner, name)

    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label)


@given(names, names, names, names)
def test_two_repositories_never_share_a_name(owner: str, name: str, other_owner: str, other_name: str) -> None:
    same = (owner.lower(), name.lower()) == (other_owner.lower(), other_name.lower())

    assert (pull_label(1, owner, name) == pull_label(1, other_owner, other_name)) == same


def test_a_name_with_two_dashes_does_not_pass_for_another() -> None:
    assert pull_label(1, "b", "a--x") != pull_label(1, "x--b", "a")
