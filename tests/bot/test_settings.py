"""Settings: read once, refused with a sentence when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import settings
from bot.errors import Misconfigured
from bot.settings import Settings

GITHUB = {"github_app_id": "1", "github_private_key": "KEY", "github_webhook_secret": "s"}


def test_nothing_told_gives_a_service_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "SLIPWAY_HOME", "SLIPWAY_BASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    told = settings.read()

    assert (told.host, told.port, told.home) == ("127.0.0.1", 8000, Path(".slipway"))
    assert told.public_url == "http://localhost:8000"
    assert told.preview_url("pr-1--a--b") == "http://pr-1--a--b.localhost:8000"


def test_previews_take_scheme_and_port_of_the_public_address() -> None:
    told = Settings(SLIPWAY_BASE_URL="https://slip.example.com/", SLIPWAY_PREVIEW_DOMAIN="p.example.com")

    assert told.preview_url("pr-1--a--b") == "https://pr-1--a--b.p.example.com"


def test_the_home_of_the_shell_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")

    assert settings.read().home == Path(".slipway")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("SLIPWAY_RUNNER", "k8s"), ("GITHUB_API_URL", "ftp://x"), ("SLIPWAY_TTL_HOURS", "0")],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured, match=name):
        settings.read()


def test_an_empty_value_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")

    assert settings.read().port == 8000


@pytest.mark.parametrize("missing", GITHUB)
def test_it_refuses_to_start_without_an_identity_or_with_an_empty_secret(missing: str) -> None:
    with pytest.raises(Misconfigured, match=missing.upper()):
        Settings(**{**GITHUB, missing: ""}).require_github()


def test_a_key_on_one_line_becomes_a_key_again() -> None:
    assert Settings(**{**GITHUB, "github_private_key": "A\\nB"}).private_key == "A\nB"


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="GITHUB_PRIVATE_KEY_FILE"):
        _ = Settings(github_private_key_file=tmp_path / "no.pem").private_key


def test_there_are_fewer_than_thirty_and_each_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text()
    names = [str(field.alias or name).upper() for name, field in Settings.model_fields.items()]
    assert len(names) < 30
    assert [name for name in names if f"`{name}`" not in page] == []


def test_images_are_one_setting_too_that_gathers_a_name_for_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_IMAGE_GO", "golang:1.23")
    monkeypatch.setenv("SLIPWAY_IMAGE_POSTGRESQL", "postgres:16")
    monkeypatch.setenv("SLIPWAY_IMAGE_RUBY", "")

    told = settings.read().images

    assert (told["go"], told["postgresql"]) == ("golang:1.23", "postgres:16")
    assert "ruby" not in told


def test_money_is_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_MONEY", '{"build_second": "0.01", "alert_webhook": "https://hooks.example.com/x"}')
    told = settings.read()

    assert (told.prices, told.alert_webhook) == ({"build_second": "0.01"}, "https://hooks.example.com/x")

    monkeypatch.setenv("SLIPWAY_MONEY", '{"alert_webhook": "ftp://x"}')
    with pytest.raises(Misconfigured, match="alert_webhook"):
        settings.read()
