"""Elixir: Phoenix, anything that Plug serves, and programs that only run."""

from __future__ import annotations

import re

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree

FRAMEWORKS = ((":phoenix", "phoenix"), (":plug_cowboy", "plug"), (":bandit", "plug"), (":plug", "plug"))
_MIX = "MIX_HOME=$PWD/.mix HEX_HOME=$PWD/.hex"  # in the tree: mix wants them when it starts the program, too


def detect(tree: Tree) -> Plan | None:
    if not tree.has("mix.exs"):
        return None
    text = tree.text("mix.exs")
    framework = next((name for word, name in FRAMEWORKS if re.search(rf"\{{\s*{word}\b", text)), None)
    serves = framework or clues.mentions(tree, clues.sources(tree, ".ex"), re.compile(r"gen_tcp|cowboy|Bandit"))
    server = "phx.server" if framework == "phoenix" else "run --no-halt"
    assets = f" && {_MIX} mix assets.deploy" if '"assets.deploy"' in text else ""
    ready = f"export {clues.made_up('SECRET_KEY_BASE')} && "
    return Plan(
        language="elixir",
        kind="server" if serves else "cli",
        framework=framework,
        package_manager="mix",
        entry="mix.exs",
        port=4000,
        version=clues.version_tool(tree, "elixir") or clues.version_file(tree, ".elixir-version"),
        manifests=tree.there("mix.exs", "mix.lock"),
        install=(f"{_MIX} mix do local.hex --force + local.rebar --force", f"{_MIX} mix deps.get --only prod"),
        build=f"{_MIX} mix compile{assets}",
        start=f"{ready}{_MIX} PHX_SERVER=true mix {server}",
        prepare=f"{ready}{_MIX} mix ecto.migrate" if ":ecto_sql" in text else None,
        env={"MIX_ENV": "prod", "LANG": "C.UTF-8", "PHX_HOST": "localhost"},
        why=clues.evidence(language="mix.exs is there", framework=framework and f"mix.exs names {framework}"),
    )
