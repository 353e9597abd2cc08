"""A Dockerfile at the root: the author's own word on how to build and run it, so it wins."""

from __future__ import annotations

import dataclasses
import re

from runners.base import Plan
from runners.frameworks.tree import Tree

NAMES = ("Dockerfile", "dockerfile", "Containerfile")

_EXPOSE = re.compile(r"^[ \t]*EXPOSE[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"^[ \t]*(?:ARG|ENV)[ \t]+(\w+)[= ]\"?(\d+)\"?[ \t]*$", re.IGNORECASE | re.MULTILINE)


def detect(tree: Tree) -> Plan | None:
    name = tree.first(*NAMES)
    if name is None:
        return None
    why = {"language": f"{name} at the root wins over guessing"}
    port = exposed(tree.text(name))
    if port:
        why["port"] = f"{name} says EXPOSE {port}"
    return Plan(language="docker", kind="server", entry=name, port=port, why=why)


def forwarded(tree: Tree, plan: Plan) -> Plan:
    """With the port that a development container forwards, when nothing else tells one."""
    if plan.kind != "server" or plan.port is not None:
        return plan
    for name in (".devcontainer/devcontainer.json", ".devcontainer.json"):
        ports = tree.json(name).get("forwardPorts") if tree.has(name) else None
        for port in ports if isinstance(ports, list) else ():
            if type(port) is int and 0 < port < 65536:
                return dataclasses.replace(plan, port=port, why={**plan.why, "port": f"{name} forwards {port}"})
    return plan


def exposed(text: str) -> int | None:
    """The port of the last EXPOSE (the last stage is what runs); variables are looked up in ARG and ENV."""
    known = dict(_VARIABLE.findall(text))
    found = None
    for line in _EXPOSE.findall(text):
        word = line.split("/")[0]
        word = known.get(word.strip("${}").split(":-")[0], word.rpartition(":-")[2].rstrip("}"))
        if word.isdecimal() and 0 < int(word) < 65536:
            found = int(word)
    return found
