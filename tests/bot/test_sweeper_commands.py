"""What commands ask of the clock: a kept preview does not expire, a stopped build is not begun again."""

from __future__ import annotations

import pytest

from bot.audit import Entry
from bot.models import State
from bot.store import commands
from tests.bot import test_sweeper
from tests.bot.test_sweeper import HOUR, NOW, Scene, listed, live

scene = test_sweeper.scene


async def test_a_kept_preview_does_not_expire_but_may_sleep(scene: Scene) -> None:
    await scene.keep(*live(active_at=NOW - 80 * HOUR))
    await scene.store.write(commands.keep, 1, 7, NOW + 60, Entry("preview.kept", NOW))

    await scene.sweeper.near()

    assert ("slipway.expire", "wake:d1") not in await scene.errands()


@pytest.mark.parametrize(("failure", "looked"), [({"reason_code": "cancelled"}, []), (None, [("slipway.look", "1#7")])])
async def test_what_somebody_stopped_is_not_begun_again(
    scene: Scene, failure: dict[str, str] | None, looked: list[tuple[str, str]]
) -> None:
    await scene.keep(*live(state=State.CANCELLED, instance=None, failure=failure))
    scene.github.pulls = [listed()]

    await scene.sweeper.far()

    assert await scene.errands() == looked
