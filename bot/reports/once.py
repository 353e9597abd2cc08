"""Things that are made at GitHub once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlmodel import Session

from bot.store import Store, rows


async def once(
    store: Store,
    key: str,
    now: float,
    find: Callable[[], Awaitable[int | None]],
    make: Callable[[], Awaitable[int]],
    note: Callable[[Session], None] | None = None,
) -> tuple[int, bool]:
    """Make a thing at GitHub once: written down before (with `note`), read back when that was as far as we came.

    Returns its id, and whether it was made just now."""
    ident, first = await store.write(rows.begin_effect, key, now, note)
    if ident is None and not first:
        ident = await find()
    made = ident is None
    if ident is None:
        ident = await make()
    await store.write(rows.end_effect, key, ident)
    return ident, made
