"""Pages for people: what is open, how a pull request looks, and buttons to move it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from demo.github.actions.checks import Checks
from demo.github.actions.pulls import NotMergeable
from demo.github.git import GitFailed
from demo.github.hub import Missing
from demo.github.pages import markdown, views
from demo.github.records import Pull, Repo, User

_HERE = Path(__file__).parent
_STATIC = {"style.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' http: https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Deed = Callable[[Pull, dict[str, str]], Awaitable[object]]


class Pages:
    def __init__(self, acts: Checks) -> None:
        self.acts, self.hub = acts, acts.hub
        self._static = {name: (_HERE / "static" / name).read_text() for name in _STATIC}
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, auto_reload=False, trim_blocks=True
        )
        self._templates.filters.update(markdown=self._markdown, iso=_iso, clock=_clock)
        self._deeds: dict[str, Deed] = {
            "comment": self._comment,
            "merge": lambda pull, form: self.acts.merge_pull(*_key(pull), form["user"]),
            "close": lambda pull, form: self.acts.close_pull(*_key(pull), form["user"]),
            "reopen": lambda pull, form: self.acts.reopen(*_key(pull), form["user"]),
            "ready": lambda pull, form: self.acts.set_draft(*_key(pull), False, form["user"]),
            "approve": lambda pull, form: self.acts.review(*_key(pull), form["user"]),
            "push": lambda pull, form: self.acts.push_prepared(*_key(pull), form["title"], form["user"]),
            "rerun": lambda pull, form: self.acts.rerequest(int(form["check"]), form["user"]),
            "press": lambda pull, form: self.acts.press(int(form["check"]), form["identifier"], form["user"]),
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.home),
            web.get("/_static/{name}", self.static),
            web.get("/avatars/{number}", self.avatar),
            web.get("/{owner}/{repo}", self.repository),
            web.get("/{owner}/{repo}/pull/{number}", self.pull),
            web.post("/{owner}/{repo}/pull/{number}", self.act),
            web.get("/{owner}/{repo}/runs/{check}", self.check),
        ]

    # -- reading

    async def home(self, request: web.Request) -> web.Response:
        repos = [(repo, views.newest_first(repo)) for repo in self.hub.repos.values()]
        return self._page(request, "home.html", repos=repos)

    async def repository(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        files = await repo.git.children(f"refs/heads/{repo.default_branch}", "") if await repo.git.refs() else []
        return self._page(request, "repository.html", repo=repo, pulls=views.newest_first(repo), files=files)

    async def pull(self, request: web.Request) -> web.Response:
        return self._show(request, self._pull(request))

    def _show(self, request: web.Request, pull: Pull, error: str = "", draft: str = "") -> web.Response:
        people = [user for user in self.hub.users.values() if user.type == "User"]
        return self._page(
            request,
            "pull.html",
            pull=pull,
            repo=pull.repo,
            conversation=views.conversation(pull),
            checks=views.checks(pull),
            environments=views.environments(pull),
            people=[(user, pull.repo.role(user.login)) for user in people],
            keeper=self.hub.keeper(pull.repo.owner),
            clone=self._clone(pull, people),
            error=error,
            draft=draft,
        )

    async def check(self, request: web.Request) -> web.Response:
        repo, number = self._repo(request), request.match_info["check"]
        one = repo.checks.get(int(number)) if number.isascii() and number.isdigit() else None
        if one is None:
            raise web.HTTPNotFound(text="There is no such check.")
        return self._page(request, "check.html", repo=repo, check=views.shown(one), run=one)

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return web.Response(text=self._static[name], content_type=_STATIC[name])

    async def avatar(self, request: web.Request) -> web.Response:
        """A disc with the first letter, in a colour of the account's own."""
        found = [user for user in self.hub.users.values() if str(user.id) == request.match_info["number"]]
        if not found:
            raise web.HTTPNotFound
        svg = self._templates.get_template("avatar.svg").render(user=found[0], hue=found[0].id * 137 % 360)
        return web.Response(text=svg, content_type="image/svg+xml")

    # -- doing

    async def act(self, request: web.Request) -> web.Response:
        """A form on a pull request's page.  What can't be done is said on the page itself."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="Only this page's own forms may do that.")
        pull = self._pull(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            await self._deeds[form["deed"]](pull, form)
        except (NotMergeable, Missing, GitFailed) as error:
            return self._show(request, pull, f"That did not work: {error}", form.get("body", ""))
        except (KeyError, ValueError):
            raise web.HTTPBadRequest(text="This form is not one of ours.") from None
        raise web.HTTPSeeOther(request.path)

    async def _comment(self, pull: Pull, form: dict[str, str]) -> None:
        body = form["body"].replace("\r\n", "\n").strip()
        if body:
            await self.acts.comment(*_key(pull), form["user"], body)

    # -- parts

    def _clone(self, pull: Pull, people: list[User]) -> str | None:
        """An address that lets the first person who may push do so: on one's own machine nobody needs a secret."""
        able = next((user for user in people if pull.head_repo.may(user.login, "write")), None)
        if able is None:
            return None
        home = self.hub.url.replace("://", f"://{able.login}:{self.hub.token(able.login)}@")
        return f"{home}/{pull.head_repo.full_name}.git"

    def _repo(self, request: web.Request) -> Repo:
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        try:
            repo = self.hub.repo(name)
        except Missing:
            raise web.HTTPNotFound(text="There is no such repository.") from None
        if repo.full_name.lower() != name.lower():
            raise web.HTTPMovedPermanently(request.path.replace(f"/{name}", f"/{repo.full_name}", 1))
        return repo

    def _pull(self, request: web.Request) -> Pull:
        repo, number = self._repo(request), request.match_info["number"]
        pull = repo.pulls.get(int(number)) if number.isascii() and number.isdigit() else None
        if pull is None:
            raise web.HTTPNotFound(text="There is no such pull request.")
        return pull

    def _markdown(self, text: str) -> Markup:
        return markdown.render(text, lambda login: login.lower() in self.hub.users)

    def _page(self, request: web.Request, template: str, **more: Any) -> web.Response:
        """The page, or that nothing has changed since the caller's copy of it."""
        tag = f'"{self.hub.started_at:.0f}-{self.hub.version}"'
        if request.method == "GET" and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        text = self._templates.get_template(template).render(hub=self.hub, **more)
        return web.Response(
            text=text, content_type="text/html", headers=_HEADERS | {"ETag": tag, "Cache-Control": "no-cache"}
        )


def _key(pull: Pull) -> tuple[str, int]:
    return pull.repo.full_name, pull.number


def _iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")


def _clock(at: float) -> str:
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
