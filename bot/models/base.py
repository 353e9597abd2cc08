"""What all tables share."""

from __future__ import annotations

import secrets
from enum import StrEnum

from sqlalchemy import BigInteger, Enum, Integer, MetaData
from sqlmodel import SQLModel

# Named, because SQLite's batch migrations can't drop what has no name.
SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only


def word(kind: type[StrEnum]) -> Enum:
    """One of a few words, kept as text and read back as the enum."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words])


def new_id() -> str:
    """A deployment's id: 16 hex digits nobody can guess, so that a link to its log is a key to it."""
    return secrets.token_hex(8)
