"""What all plain words of this package are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self


class Record:
    """A frozen dataclass that survives a trip through JSON."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in raw.items() if key in known})
