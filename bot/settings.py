"""One frozen object, read once at the start.  README and docs/settings.md list the same names."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot import Misconfigured


class Settings(BaseSettings):
    """Environment variables of the same name, any case; an empty value counts as absent."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", env_nested_delimiter="_", env_nested_max_split=1
    )

    host: str = "127.0.0.1"
    port: int = 8000
    home: Path = Field(Path(".slipway"), alias="SLIPWAY_HOME")
    database_url: str | None = None
    audit_anchor: Path | None = Field(None, alias="SLIPWAY_AUDIT_ANCHOR")
    audit_repository: str | None = Field(None, alias="SLIPWAY_AUDIT_REPOSITORY", pattern=r"^[^/\s]+/[^/\s]+$")
    base_url: str | None = Field(None, alias="SLIPWAY_BASE_URL")
    preview_domain: str = Field("localhost", alias="SLIPWAY_PREVIEW_DOMAIN")
    policy: Path | None = Field(None, alias="SLIPWAY_POLICY")  # the floor under every other policy
    runner: Literal["auto", "docker", "process"] = Field("auto", alias="SLIPWAY_RUNNER")
    router: Literal["builtin"] = Field("builtin", alias="SLIPWAY_ROUTER")
    concurrency: int = Field(0, alias="SLIPWAY_CONCURRENCY", ge=0)  # builds at once; 0: as many as there are cores
    idle_minutes: float = Field(30.0, alias="SLIPWAY_IDLE_MINUTES", gt=0)  # without a request, then it sleeps
    ttl_hours: float = Field(72.0, alias="SLIPWAY_TTL_HOURS", gt=0)  # since the last activity, then it is removed
    build_seconds: float = Field(600.0, alias="SLIPWAY_BUILD_SECONDS", gt=0)
    start_seconds: float = Field(60.0, alias="SLIPWAY_START_SECONDS", gt=0)
    memory_mb: int = Field(512, alias="SLIPWAY_MEMORY_MB", ge=64)  # one preview
    build_memory_mb: int = Field(2048, alias="SLIPWAY_BUILD_MEMORY_MB", ge=64)
    cpus: float = Field(2.0, alias="SLIPWAY_CPUS", gt=0)
    money: dict[str, Any] = Field(default_factory=dict, alias="SLIPWAY_MONEY")  # JSON: prices, alert_webhook
    images: dict[str, str] = Field(default_factory=dict, alias="SLIPWAY_IMAGE")  # of SLIPWAY_IMAGE_*, by its last word
    ca_bundle: Path | None = Field(None, alias="SLIPWAY_CA_BUNDLE")
    github_app_id: str = ""
    github_private_key: str | None = None
    github_private_key_file: Path | None = None
    github_webhook_secret: str = ""
    github_api_url: str = "https://api.github.com"
    github_server_url: str = "https://github.com"

    @field_validator("github_api_url", "github_server_url", "base_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if urlsplit(value).scheme not in ("http", "https"):
            raise ValueError(f"{value!r} is no http(s) address")
        return value.rstrip("/")

    @field_validator("money")
    @classmethod
    def _webhook(cls, value: dict[str, Any]) -> dict[str, Any]:
        hook = value.get("alert_webhook")
        if hook is not None and urlsplit(str(hook)).scheme not in ("http", "https"):
            raise ValueError("alert_webhook is no http(s) address")
        return value

    @property
    def prices(self) -> dict[str, Any]:
        """What things cost, as far as it is not the default: see `bot.budgets.Prices`."""
        return {name: value for name, value in self.money.items() if name != "alert_webhook"}

    @property
    def alert_webhook(self) -> str | None:
        """Who is told when a budget runs low, in Slack's JSON.  Whoever knows the address can write there."""
        hook = self.money.get("alert_webhook")
        return None if hook is None else str(hook)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'slipway.db'}"

    @property
    def anchor(self) -> Path:
        """Where the books' checkpoints go.  Beside the books it shows accidents only: see docs/audit.md."""
        return self.audit_anchor or self.home.absolute() / "audit.anchor"

    @property
    def public_url(self) -> str:
        return self.base_url or f"http://localhost:{self.port}"

    def preview_url(self, label: str) -> str:
        """Previews live on the port and scheme of our own address, one label below the preview domain."""
        base = urlsplit(self.public_url)
        port = f":{base.port}" if base.port else ""
        return f"{base.scheme}://{label}.{self.preview_domain}{port}"

    @property
    def builds_at_once(self) -> int:
        return self.concurrency or os.cpu_count() or 2

    @cached_property
    def private_key(self) -> str:
        """PEM text.  One-line values with literal \\n are what many secret stores make of it."""
        if self.github_private_key:
            return self.github_private_key.replace("\\n", "\n")
        if self.github_private_key_file:
            try:
                return self.github_private_key_file.read_text()
            except OSError as error:
                raise Misconfigured(f"GITHUB_PRIVATE_KEY_FILE can't be read: {error}") from error
        raise Misconfigured("Set GITHUB_PRIVATE_KEY_FILE (or GITHUB_PRIVATE_KEY) to the app's private key.")

    @property
    def certificates(self) -> Path | None:
        """The bundle that builds trust: the setting, or what this machine's own tools were told to use."""
        told = self.ca_bundle or os.environ.get("SSL_CERT_FILE") or os.environ.get("NODE_EXTRA_CA_CERTS")
        return Path(told) if told and Path(told).is_file() else None

    def require_github(self) -> None:
        """Refuse to start without an identity, or with an empty webhook secret (anyone could sign with it)."""
        if not self.github_webhook_secret:
            raise Misconfigured("Set GITHUB_WEBHOOK_SECRET to the secret of the app's webhook; it can't be empty.")
        if not self.github_app_id:
            raise Misconfigured("Set GITHUB_APP_ID to the number on the app's settings page.")
        _ = self.private_key


def read() -> Settings:
    """The environment as settings.  Raises Misconfigured with one line per wrong value."""
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise Misconfigured("\n".join(lines)) from error
