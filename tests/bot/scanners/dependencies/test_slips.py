"""Names that may be taken for others."""

from __future__ import annotations

import time

import pytest

from bot.scanners.dependencies import near
from bot.scanners.dependencies.slips import MEANT, NAMES


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("reqeusts", "requests"),
        ("requets", "requests"),
        ("djago", "django"),
        ("numpyy", "numpy"),
        ("python-requests", "requests"),
        ("scikitlearn", "scikit-learn"),
        ("f1ask", "flask"),
        ("pyhton-dateutil", "python-dateutil"),
    ],
)
def test_a_slip_over_a_name_of_pypi_is_seen(name: str, meant: str) -> None:
    assert near(name, "pip") == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lodahs", "lodash"),
        ("expres", "express"),
        ("cross-env.js", "cross-env"),
        ("crossenv", "cross-env"),
        ("@type/node", "@types/node"),
    ],
)
def test_a_slip_over_a_name_of_npm_is_seen(name: str, meant: str) -> None:
    assert near(name, "npm") == meant


@pytest.mark.parametrize(
    "name",
    ["requests", "flask", "boto3", "psycopg2", "psycopg3", "a-name-of-nobody", "@acme/react", "x", "", "z" * 10_000],
)
def test_honest_names_are_left_alone(name: str) -> None:
    assert near(name, "pip") is None
    if name not in ("requests", "flask"):
        assert near(name, "npm") is None


@pytest.mark.parametrize(("ecosystem", "file"), [("pip", "pypi.txt"), ("npm", "npm.txt")])
def test_no_well_known_name_is_a_slip_over_another(ecosystem: str, file: str) -> None:
    notice, *names = (NAMES / file).read_text().splitlines()
    assert "Apache-2.0" in notice and "guarddog" in notice
    assert len(names) > MEANT[ecosystem]

    start = time.process_time()
    assert [name for name in names if near(name, ecosystem)] == []  # type: ignore[arg-type]
    assert time.process_time() - start < 10
