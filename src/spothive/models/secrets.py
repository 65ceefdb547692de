"""Secrets: which sealing keys are used no more. The keys themselves are in no database."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.keyring import KEY_ID_LENGTH
from spothive.models.base import Base, GlobalTable
from spothive.schema.append_only import AppendOnly
from spothive.schema.sealed import stays_in_use
from spothive.schema.types import AsciiText, Text, UtcDateTime, utc_timestamp


class WithdrawnKey(GlobalTable, Base):
    """A sealing key that was withdrawn: no stored value needs it, and the database takes no value it sealed."""

    __tablename__ = "withdrawn_keys"

    key_id: Mapped[str] = mapped_column(
        AsciiText(KEY_ID_LENGTH, KEY_ID_LENGTH, "0-9a-f"), unique=True, comment="id of the key, which is no secret"
    )
    withdrawn_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    person_name: Mapped[str] = mapped_column(Text(255, 1), comment="who withdrew it, by the name of that time")

    __table_args__ = (
        {
            "info": {
                "global": "operations: one keyring seals for every tenant",
                "append_only": AppendOnly(),
                "refusals": [stays_in_use("withdrawn_keys", lambda: Base.metadata)],
            }
        },
    )
