"""Which variables a project is said to want: those that its code can't do without and nobody sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runners.frameworks.test_backing import FLASK, plan

EXPRESS = '{"scripts": {"start": "node index.js"}, "dependencies": {"express": "4"}}'


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('key = os.environ["API_KEY"]', ("API_KEY",)),
        ('key = os.environ.get("API_KEY")', ("API_KEY",)),
        ('key = os.getenv("API_KEY")', ("API_KEY",)),
        ('key = os.environ.get("API_KEY", "none")', ()),
        ('key = os.getenv("API_KEY") or "none"', ()),
        ('given = [os.environ["API_KEY"], "x"]', ("API_KEY",)),
        ('os.environ["API_KEY"] = "given"', ()),
        ('# key = os.environ["API_KEY"]', ()),
        ('from decouple import config\nkey = config("API_KEY")\nwait = config("WAIT", default=3)', ("API_KEY",)),
        ('from decouple import config\nwait = config("WAIT", cast=int, default=3)', ()),
        ('from decouple import config\nkey = config("API_KEY", cast=str)', ("API_KEY",)),
        ('from environs import Env\nenv = Env()\nkey = env.str("API_KEY")\nother = env("OTHER", "x")', ("API_KEY",)),
        ('port = os.environ["PORT"]\nhome = os.environ["HOME"]\nurl = os.environ["SLIPWAY_URL"]', ()),
        ('key = os.environ["api_key"]', ()),
        ('a = os.environ["GITHUB_SHA"]\nb = os.environ["GITHUB_TOKEN"]', ("GITHUB_TOKEN",)),
    ],
)  # fmt: skip
def test_python(tmp_path: Path, code: str, names: tuple[str, ...]) -> None:
    assert plan(tmp_path, {"app.py": f"import os\n{FLASK}{code}\n"}).wants == names


def test_fields_of_pydantics_settings_without_a_value(tmp_path: Path) -> None:
    config = """from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="shop_")
    secret_key: str
    title: str = "Shop"
    hook: str | None = None
    mail: str = Field(alias="MAIL_TO")
    wait: int = Field(default=3)
"""

    assert plan(tmp_path, {"app.py": FLASK, "config.py": config}).wants == ("MAIL_TO", "SHOP_SECRET_KEY")


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("const key = process.env.API_KEY", ("API_KEY",)),
        ("const key = process.env['API_KEY']!", ("API_KEY",)),
        ("const { API_KEY, WAIT = '3' } = process.env", ("API_KEY",)),
        ("if (!process.env.API_KEY) throw new Error('no key')", ("API_KEY",)),
        ("const key = process.env.API_KEY || 'none'", ()),
        ("const key = process.env.API_KEY ?? 'none'", ()),
        ("if (process.env.API_KEY) { use(process.env.NODE_ENV) }", ()),
        ("const on = process.env.VERBOSE === 'yes'", ()),
        ("// const key = process.env.API_KEY", ()),
        ("const key = Deno.env.get('API_KEY')", ("API_KEY",)),
    ],
)
def test_node(tmp_path: Path, code: str, names: tuple[str, ...]) -> None:
    files = {"package.json": EXPRESS, "index.js": f"require('express')().listen(process.env.PORT)\n{code}\n"}

    assert plan(tmp_path, files).wants == names


def test_what_the_example_file_leaves_open(tmp_path: Path) -> None:
    example = 'A_KEY=\nB_KEY="your-key-here"\nC_KEY=<secret>\nCOLOR=blue # the sea\nexport D_KEY=changeme\nPORT=3000\n'

    assert plan(tmp_path, {"app.py": FLASK, ".env.example": example}).wants == ("A_KEY", "B_KEY", "C_KEY", "D_KEY")


def test_tests_are_not_asked(tmp_path: Path) -> None:
    reads = 'import os\nos.environ["API_KEY"]\n'

    assert plan(tmp_path, {"app.py": FLASK, "tests/a.py": reads, "test_b.py": reads, "conftest.py": reads}).wants == ()


def test_they_are_few_and_sorted(tmp_path: Path) -> None:
    code = "\n".join(f'os.environ["KEY_{number:03}"]' for number in range(99, -1, -1))

    wants = plan(tmp_path, {"app.py": f"import os\n{FLASK}{code}\n"}).wants

    assert wants == tuple(f"KEY_{number:03}" for number in range(30))


def test_another_wish_is_the_same_build(tmp_path: Path) -> None:
    one = plan(tmp_path / "a", {"app.py": FLASK})
    two = plan(tmp_path / "b", {"app.py": FLASK + 'import os\nos.environ["API_KEY"]\n'})

    assert one.digest == two.digest
