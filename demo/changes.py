"""Changes to the sample apps that wait for a button on their pull request's page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from demo.github import DemoGitHub

APPS = Path(__file__).parent / "apps"


class Change(NamedTuple):
    """In the file `path`, `old` becomes `new`."""

    title: str
    path: str
    old: str
    new: str


CHANGES = {
    "flask-api": (
        Change(
            "Say what everything costs",
            "templates/index.html",
            "    </ul>",
            "    </ul>\n    <p>Everything together: <b>{{ stock|sum(attribute='price') }} €</b></p>",
        ),
        Change("Forget a package (it will not start)", "requirements.txt", "flask==", "# flask=="),
    ),
    "static-page": (Change("A sunset over the sea", "style.css", "--sea: #0b7285", "--sea: #c2410c"),),
}


def offer(github: DemoGitHub, repo: str, number: int) -> None:
    """Put the changes of the app that `repo` is called by on the page of a pull request."""
    app = repo.split("/")[1]
    for change in CHANGES.get(app, ()):
        text = (APPS / app / change.path).read_text()
        github.prepare(repo, number, change.title, {change.path: text.replace(change.old, change.new)})
