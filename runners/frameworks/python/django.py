"""Django: manage.py says where the settings are, the settings say how it is served."""

from __future__ import annotations

import dataclasses
import re
from shlex import quote

from runners.base import Plan
from runners.frameworks.python.install import has_manifest
from runners.frameworks.tree import Tree, folder_of, stem

_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"']\s{0,20}[,\]]\s{0,20}=?\s{0,20}[\"']([\w.]+)[\"']")
_WSGI = re.compile(r"^[ \t]*WSGI_APPLICATION\s*=\s*[\"']([\w.]+)\.(\w+)[\"']", re.MULTILINE)
_ASGI = re.compile(r"^[ \t]*ASGI_APPLICATION\s*=\s*[\"']([\w.]+)\.(\w+)[\"']", re.MULTILINE)
_SOCKETS = re.compile(r"[\"'](?:channels|daphne)[\"']")  # an installed app that only ASGI serves
_STATIC_ROOT = re.compile(r"^[ \t]*STATIC_ROOT\s*=", re.MULTILINE)
_SQLITE = re.compile(r"django\.db\.backends\.sqlite3|sqlite://", re.IGNORECASE)

DEFAULT = "django.core.wsgi:get_wsgi_application()"


def detect(tree: Tree) -> Plan | None:
    manage = _manage(tree)
    if manage is None:
        return None
    folder = folder_of(manage)
    at = tree.below(folder) if folder else tree
    named = _SETTINGS.search(at.text("manage.py"))
    text = "\n".join(at.text(name) for name in _settings(at, named.group(1) if named else ""))
    target, evidence = _application(at, text)
    if target is None and named is None:
        return None
    plan = Plan(
        language="python",
        kind="server",
        framework="django",
        entry=target or DEFAULT,
        port=8000,
        env={} if target or not named else {"DJANGO_SETTINGS_MODULE": named.group(1)},
        why={
            "framework": f"{manage} is Django's",
            "entry": evidence,
            "start": "gunicorn is the production server of Django",
        },
    )
    return _commanded(plan, manage, text)


def _commanded(plan: Plan, manage: str, settings: str) -> Plan:
    """Add how it is built and started."""
    python, why = f"python {quote(manage)}", dict(plan.why)
    chdir = f"--chdir {quote(folder_of(manage))} " if folder_of(manage) else ""
    start = f"gunicorn --bind $HOST:$PORT --workers 1 --threads 8 {chdir}{quote(str(plan.entry))}"
    if str(plan.entry).partition(":")[0].endswith("asgi"):
        folder = f"--app-dir {quote(folder_of(manage))} " if folder_of(manage) else ""
        start = f"uvicorn --host $HOST --port $PORT {folder}{quote(str(plan.entry))}"
        why["start"] = "uvicorn serves Django's ASGI application"
    if _SQLITE.search(settings):
        start = f"{python} migrate --noinput && {start}"
        why["start"] += "; its SQLite database is migrated first"
    build = None
    if _STATIC_ROOT.search(settings):
        build, why["build"] = f"{python} collectstatic --noinput", "the settings name STATIC_ROOT"
    return dataclasses.replace(plan, build=build, start=start, why=why)


def _manage(tree: Tree) -> str | None:
    """manage.py at the root, or one or two folders down when the manifest is at the root."""
    if tree.has("manage.py"):
        return "manage.py"
    found = [name for name in tree.ending("/manage.py", depth=2) if "DJANGO_SETTINGS_MODULE" in tree.text(name)]
    if found and has_manifest(tree) and not has_manifest(tree, folder_of(found[0])):
        return found[0]
    return None


def _settings(tree: Tree, module: str) -> list[str]:
    """The settings files, the module that manage.py names first and then those beside it."""
    path = module.replace(".", "/")
    first = tree.first(f"{path}.py", f"{path}/__init__.py") if path else None
    beside = [name for name in tree.ending(".py") if folder_of(name).endswith("settings") or stem(name) == "settings"]
    return list(dict.fromkeys([*([first] if first else []), *beside]))[:12]


def _application(tree: Tree, settings: str) -> tuple[str | None, str]:
    """What gunicorn serves, and the evidence."""
    plain, sockets = _WSGI.search(settings), _ASGI.search(settings)
    if sockets and (plain is None or _SOCKETS.search(settings)):
        return f"{sockets.group(1)}:{sockets.group(2)}", "the settings name it as ASGI_APPLICATION"
    if plain:
        return f"{plain.group(1)}:{plain.group(2)}", "the settings name it as WSGI_APPLICATION"
    for name in (*tree.ending("/wsgi.py", depth=3), *tree.ending("/asgi.py", depth=3)):
        return f"{name.removesuffix('.py').replace('/', '.')}:application", f"{name} is there"
    return None, "there is no wsgi.py: Django's own application with the settings of manage.py"
