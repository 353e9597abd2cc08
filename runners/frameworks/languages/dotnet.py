""".NET: the web project of a folder or of a solution, published and run."""

from __future__ import annotations

import re
from typing import Literal

from runners.base import Plan
from runners.frameworks.languages import clues
from runners.frameworks.tree import ASIDE, Tree, folder_of, stem

FRAMEWORKS = (("Microsoft.NET.Sdk.BlazorWebAssembly", "blazor"), ("Microsoft.NET.Sdk.Web", "aspnet"))
_TARGET = re.compile(r"<TargetFrameworks?>[^<]*?net(?:coreapp)?(\d+\.\d+)")
_ASSEMBLY = re.compile(r"<AssemblyName>\s*([\w.-]+)\s*<")
_SERVES = re.compile(r"HttpListener|TcpListener|WebApplication\.")
_TEST = re.compile(r"(?i)tests?\b|\.tests?\.|\.Specs")


def detect(tree: Tree) -> Plan | None:
    projects = [name for name in tree.ending(".csproj", ".fsproj", ".vbproj", depth=3) if _is_program(name)]
    if not projects:
        return None
    project = min(projects[:30], key=lambda name: (_framework(tree, name) is None, projects.index(name)))
    framework, text = _framework(tree, project), tree.text(project)
    folder = folder_of(project)
    program = tree.first(*(f"{folder}/{name}".lstrip("/") for name in ("Program.cs", "Program.fs", "Startup.cs")))
    named = _ASSEMBLY.search(text)
    static = framework == "blazor"
    made = named.group(1) if named else stem(project)
    run = f"cd .published && ASPNETCORE_URLS=http://$HOST:$PORT dotnet '{made}.dll'"
    return Plan(
        language="dotnet",
        kind=_kind(tree, framework, program),
        framework=framework,
        package_manager="nuget",
        entry=project,
        static_dir=".published/wwwroot" if static else None,
        fallback=static,
        port=None if static else 8080,
        version=_version(tree, text),
        manifests=(project,),
        install=(f"dotnet restore '{project}'",),
        build=f"dotnet publish '{project}' -c Release -o .published",
        start=None if static else run,
        env={"ASPNETCORE_ENVIRONMENT": "Production", "DOTNET_NOLOGO": "1", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"},
        why=clues.evidence(language=f"{project} is there", framework=framework and f"{project} says {framework}"),
    )


def _kind(tree: Tree, framework: str | None, program: str | None) -> Literal["static", "server", "cli"]:
    if framework == "blazor":
        return "static"
    return "server" if framework or _SERVES.search(tree.text(program or "")) else "cli"


def _is_program(name: str) -> bool:
    """No test, and a name that stays one word between quotes."""
    folders = folder_of(name).split("/")
    return "'" not in name and ASIDE.isdisjoint(folders) and not _TEST.search(stem(name))


def _framework(tree: Tree, project: str) -> str | None:
    text = tree.text(project)
    return next((name for sdk, name in FRAMEWORKS if f'"{sdk}"' in text or f"'{sdk}'" in text), None)


def _version(tree: Tree, text: str) -> str | None:
    found = _TARGET.search(text) or _TARGET.search(tree.text("Directory.Build.props"))
    if found:
        return found.group(1)
    sdk = tree.json("global.json").get("sdk")
    told = sdk.get("version") if isinstance(sdk, dict) else None
    number = re.match(r"\d+\.\d+", told) if isinstance(told, str) else None
    return number.group() if number else clues.version_tool(tree, "dotnet", "dotnet-core")
