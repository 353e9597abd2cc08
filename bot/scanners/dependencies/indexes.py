"""Which registries this machine installs from: its environment and pip's own configuration files."""

from __future__ import annotations

import configparser
import dataclasses
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

PYPI = "https://pypi.org/simple"
NPM = "https://registry.npmjs.org"
PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")  # later ones win
_NAME = re.compile(r"^[\w.-]+=(?=\w+:)")  # uv lets an index have a name
MAC_FILES = ("/Library/Application Support/pip/pip.conf", "~/Library/Application Support/pip/pip.conf")


@dataclasses.dataclass(frozen=True, slots=True)
class Indexes:
    """Addresses, as they are set: with the name and password that they may hold."""

    pip: tuple[str, ...] = (PYPI,)
    npm: str = NPM

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Indexes:
        """Those of this machine.  uv's words count before pip's: builds install with uv."""
        home = environ.get("HOME", "")
        told = environ.get("PIP_CONFIG_FILE")
        names = (*(MAC_FILES if sys.platform == "darwin" else ()), *PIP_FILES, *([told] if told else ()))
        config = _pip(Path(name.replace("~", home, 1)) for name in names if home or not name.startswith("~"))
        main = _first(environ, "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL") or config.get("index-url") or PYPI
        more = _first(environ, "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL") or config.get(
            "extra-index-url", ""
        )
        addresses = dict.fromkeys(_NAME.sub("", one).rstrip("/") for one in (main, *more.split()))
        npm = _first(environ, "npm_config_registry", "NPM_CONFIG_REGISTRY") or NPM
        return cls(tuple(addresses), npm.rstrip("/"))

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(urlsplit(one).hostname or "" for one in (*self.pip, self.npm))


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), None)


def _pip(files: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pip says it better, when it is asked to install
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return found
