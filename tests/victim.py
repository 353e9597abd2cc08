"""`slipway serve` in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import httpx

from tests.house import PRIVATE_KEY, SECRET, House


class Victim:
    """`slipway serve`, killed and started again."""

    def __init__(self, home: House, log: Path) -> None:
        self._home, self._log = home, log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        told = self._home.settings
        ours = ("SLIPWAY_", "GITHUB_", "DATABASE_URL")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        env |= {"PORT": str(told.port), "SLIPWAY_HOME": str(told.home), "SLIPWAY_RUNNER": "process"}
        env |= {"GITHUB_API_URL": told.github_api_url, "GITHUB_SERVER_URL": told.github_server_url}
        env |= {"GITHUB_APP_ID": "1", "GITHUB_PRIVATE_KEY": PRIVATE_KEY, "GITHUB_WEBHOOK_SECRET": SECRET}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.served", env=env, stdout=log, stderr=log, start_new_session=True
            )

    async def ready(self) -> None:
        url = f"http://127.0.0.1:{self._home.settings.port}/readyz"
        async with asyncio.timeout(60):
            while True:
                assert self._process is not None and self._process.returncode is None, self.words()
                with contextlib.suppress(httpx.TransportError):
                    if (await self._home.http.get(url)).status_code == 200:
                        return
                await asyncio.sleep(0.1)  # it needs the processor more than we do

    async def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()

    def words(self) -> str:
        return self._log.read_text()[-6000:]
