"""The whole GitHub: one object that tests and the story hold, one aiohttp application behind it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.web import close
from demo.github.actions.checks import Checks
from demo.github.hooks import HookDelivery, Hooks
from demo.github.hub import PERMISSIONS, Hub
from demo.github.pages import Pages
from demo.github.records import Call, User
from demo.github.rest import Rest
from demo.github.smart_http import SmartHttp

_LARGEST = 64 * 1024 * 1024  # bytes of a request that is not git's


class DemoGitHub(Checks):
    """A GitHub in memory, with its repositories on disk under `folder`.

    `public_key` (PEM) makes it verify the signature of the app's JWTs; `clock` is Unix seconds; `middlewares`
    see every request first: one may put `request[IDS]` (an iterator of ints) and `request[TOKEN]`, so that a second
    judge of the same calls agrees with this one about the ids of what they make.
    """

    def __init__(
        self,
        folder: Path,
        *,
        webhook_secret: str,
        app_id: str = "1",
        slug: str = "slipway",
        public_key: str | None = None,
        hook_url: str | None = None,
        permissions: Mapping[str, str] = PERMISSIONS,
        clock: Callable[[], float] = time.time,
        observe: Callable[[Call], None] | None = None,
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        hub = Hub(folder, app_id=app_id, slug=slug, permissions=permissions, clock=clock)
        super().__init__(hub, Hooks(hub, webhook_secret, hook_url))
        self._rest, self._middlewares = Rest(self, public_key, observe), tuple(middlewares)

    @property
    def url(self) -> str:
        """Where it is: API, git and pages alike."""
        return self.hub.url

    @property
    def calls(self) -> list[Call]:
        """Every REST call so far."""
        return self.hub.calls

    @property
    def deliveries(self) -> list[HookDelivery]:
        """Every webhook so far, oldest first."""
        return list(self.hooks.deliveries.values())

    @property
    def hook_url(self) -> str | None:
        """Where webhooks go; None: nowhere, and they are not kept."""
        return self.hooks.url

    @hook_url.setter
    def hook_url(self, url: str | None) -> None:
        self.hooks.url = url

    def user(self, login: str, id: int | None = None, type: str | None = None, name: str = "") -> User:  # noqa: A002
        """Make or change a user: `type` is User, Bot or Organization."""
        return self.hub.user(login, id, type, name)

    def token(self, login: str) -> str:
        """A personal access token, for `git push` and REST calls in that person's name."""
        return self.hub.token(login)

    async def settled(self) -> None:
        """Wait until the app answered every webhook so far, or GitHub gave up; a push that has just ended counts."""
        for repo in list(self.hub.repos.values()):
            async with repo.git.writing:
                pass
        await self.hooks.settled()

    def application(self) -> web.Application:
        app = web.Application(middlewares=self._middlewares, client_max_size=_LARGEST)
        app.add_routes(list(self._rest.routes()))
        app.add_routes(SmartHttp(self).routes())
        app.add_routes(Pages(self).routes())
        return app

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Self]:
        """Answer and deliver for as long as the block runs; port 0 takes a free one."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        sending = asyncio.create_task(self.hooks.run())
        try:
            await web.TCPSite(runner, host, port).start()
            self.hub.url = f"http://{host}:{runner.addresses[0][1]}"
            yield self
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            await close(runner)
