"""Dockerfiles, workflows and manifests as they should not be written."""

from __future__ import annotations

from collections.abc import Mapping

_API = """\
FROM python:latest  ⟪ no version
WORKDIR /app

RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*  ⟪ packages without versions


ADD . /app  ⟪ ADD for files


RUN curl -fsSL https://get.harbour.shop/install.sh | sh  ⟪ a failure in a pipe is lost


RUN pip install --no-cache-dir flask  ⟪ pip without versions


USER root  ⟪ runs as root
CMD ["python", "app.py"]
"""

_WEB = """\
FROM node:20-slim
WORKDIR srv  ⟪ relative folder


RUN sudo npm ci  ⟪ sudo


COPY package.json server.js views  ⟪ COPY of many without a folder


RUN cd /srv && node build.js  ⟪ cd for WORKDIR


EXPOSE 80800  ⟪ no such port


CMD node server.js  ⟪ CMD by a shell
"""

_TRIAGE = """\
name: triage
on:
  issues:
    types: [opened]
permissions:
  issues: write
jobs:
  label:
    runs-on: ubuntu-24.04
    steps:
      - name: say it
        run: |
          echo "looking at it"

          echo "${{ github.event.issue.title }}"  ⟪ template injection
"""

_PREVIEW = """\
name: preview
on:
  pull_request_target:  ⟪ pull_request_target
    branches: [main]
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    steps:
      - name: fetch

        uses: actions/checkout@v4  ⟪ action without a hash
        with:
          persist-credentials: false
          ref: ${{ github.event.pull_request.head.sha }}
      - run: npm ci && npm test
"""

_RELEASE = """\
name: release
on:
  push:
    tags: ["v*"]

permissions: write-all  ⟪ excessive permissions

jobs:
  publish:
    uses: harbour/workflows/.github/workflows/publish.yml@0f1e2d3c4b5a69788796a5b4c3d2e1f001122334
    secrets: inherit  ⟪ every secret handed on
  check:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    env:
      ACTIONS_ALLOW_UNSECURE_COMMANDS: true  ⟪ unsafe commands
    steps:
      - run: make check
"""

_REQUIREMENTS = """\
# what the shop needs
flask==3.1.1
requests==2.32.4


flask-harbour-auth==1.0.2  ⟪ not in the registry


reqeusts==2.32.4  ⟪ near miss


tidewatch==9.0.0  ⟪ too new


jinja2==2.4.1  ⟪ known vulnerable
"""

_PACKAGE = """\
{
  "name": "shop",
  "version": "1.0.0",
  "dependencies": {
    "express": "5.1.0",


    "express-harbour-session": "2.1.0",


    "lodahs": "4.17.21",


    "left-tide": "3.0.0",


    "minimist": "0.0.8",


    "evil-anchor": "1.0.1"
  }
}
"""


def _named(text: str, names: Mapping[str, str]) -> str:
    """A manifest with marks at the lines of these packages."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        lines[at] += next((f"  ⟪ {name}" for package, name in names.items() if f'"{package}"' in line), "")
    return "\n".join([*lines, ""])


DOCKER: Mapping[str, str] = {"Dockerfile": _API, "web/Dockerfile": _WEB}
WORKFLOWS: Mapping[str, str] = {
    ".github/workflows/triage.yml": _TRIAGE,
    ".github/workflows/preview.yml": _PREVIEW,
    ".github/workflows/release.yml": _RELEASE,
}
MANIFESTS: Mapping[str, str] = {
    "requirements.txt": _REQUIREMENTS,
    "web/package.json": _named(
        _PACKAGE,
        {
            "express-harbour-session": "npm: not in the registry",
            "lodahs": "npm: near miss",
            "left-tide": "npm: too new",
            "minimist": "npm: known vulnerable",
            "evil-anchor": "npm: malware",
        },
    ),
}
