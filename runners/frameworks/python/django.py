"""Django: manage.py says where the settings are, the settings say how it is served."""

from __future__ import annotations

import re
from shlex import quote

from runners.base import Plan
from runners.frameworks.python.install import has_manifest
from runners.frameworks.tree import Tree, folder_of

_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"']\s*[,\]]\s*=?\s*[\"']([\w.]+)[\"']")
_WSGI = re.compile(r"^[ \t]*WSGI_APPLICATION\s*=\s*[\"']([\w.]+)\.(\w+)[\"']", re.MULTILINE)
_STATIC_ROOT = re.compile(r"^[ \t]*STATIC_ROOT\s*=", re.MULTILINE)
_SQLITE = re.compile(r"django\.db\.backends\.sqlite3|sqlite://", re.IGNORECASE)


def detect(tree: Tree) -> Plan | None:
    manage = _manage(tree)
    if manage is None:
        return None
    folder = folder_of(manage)
    at = tree.below(folder) if folder else tree
    settings = _settings(at, at.text("manage.py"))
    text = "\n".join(at.text(name) for name in settings)
    module, name, evidence = _application(at, text)
    if module is None:
        return None
    target = f"{module}:{name}"
    start = (
        f"gunicorn --bind $HOST:$PORT --workers 1 --threads 8 {f'--chdir {quote(folder)} ' if folder else ''}{target}"
    )
    why = {
        "framework": f"{manage} is Django's",
        "entry": evidence,
        "start": "gunicorn is the production server of Django",
    }
    python = f"python {quote(manage)}"
    if _SQLITE.search(text):
        start = f"{python} migrate --noinput && {start}"
        why["start"] += "; its SQLite database is migrated first"
    build = None
    if _STATIC_ROOT.search(text):
        build, why["build"] = f"{python} collectstatic --noinput", "the settings name STATIC_ROOT"
    return Plan(
        language="python",
        kind="server",
        framework="django",
        entry=target,
        port=8000,
        build=build,
        start=start,
        why=why,
    )


def _manage(tree: Tree) -> str | None:
    """manage.py at the root, or one or two folders down when the manifest is at the root."""
    if tree.has("manage.py"):
        return "manage.py"
    found = [name for name in tree.ending("/manage.py", depth=2) if "DJANGO_SETTINGS_MODULE" in tree.text(name)]
    if found and has_manifest(tree) and not has_manifest(tree, folder_of(found[0])):
        return found[0]
    return None


def _settings(tree: Tree, manage: str) -> list[str]:
    """The settings files, the one that manage.py names first and then those beside it."""
    found = _SETTINGS.search(manage)
    named: list[str] = []
    if found:
        path = found.group(1).replace(".", "/")
        first = tree.first(f"{path}.py", f"{path}/__init__.py")
        named = [first] if first else []
        package = f"{folder_of(path)}/" if path.rpartition("/")[2] != "settings" else f"{path}/"
        named += [n for n in tree.ending(".py") if n.startswith(package) and "settings" in n]
    named += [n for n in tree.ending(".py", depth=3) if n.endswith("settings.py") or "/settings/" in f"/{n}"]
    return list(dict.fromkeys(named))[:12]


def _application(tree: Tree, settings: str) -> tuple[str | None, str, str]:
    found = _WSGI.search(settings)
    if found:
        return found.group(1), found.group(2), "the settings name it as WSGI_APPLICATION"
    for name in tree.ending("wsgi.py", depth=3):
        module = name.removesuffix(".py").replace("/", ".")
        return module, "application", f"{name} is there"
    return None, "", ""
