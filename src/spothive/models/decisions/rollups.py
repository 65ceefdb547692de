"""How many decisions there were: counted by day, account and model, and how far that has come."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, GlobalTable, Timestamped, check
from spothive.models.fleet import Account
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import Day, Fraction, Money, Text, UtcDateTime, Whole

NO_MODEL = UUID(int=0)
"""Stands in a roll-up for decisions that no model took part in."""


class DecisionRollup(TenantOwned, Timestamped, Base):
    """The decisions of one account, model and day, counted. Equal to counting them anew, and far faster to read.

    Savings are those of real switches: of all that were no shadow runs. A day before the position of the watermark
    :data:`COUNTING` has its rows; of later days there are none.
    """

    __tablename__ = "decision_rollups"

    day: Mapped[date] = mapped_column(Day(), comment="day in UTC")
    account_id: Mapped[UUID] = owned("accounts", comment="account of the instances")
    model_id: Mapped[UUID] = mapped_column(
        default=NO_MODEL, server_default=NO_MODEL.hex, comment="model that judged; all zeros for none; no key"
    )
    decisions: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="all of them")
    switches: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="of these SWITCH")
    holds: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="of these HOLD")
    failures: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="of these FAILED")
    shadow: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="of these shadow runs")
    real_switches: Mapped[int] = mapped_column(
        Whole(0, 2**53), default=0, server_default="0", comment="of the switches those that were no shadow runs"
    )
    projected_savings: Mapped[Decimal] = mapped_column(
        Money(signed=True), default=Decimal(0), server_default="0", comment="sum of USD per hour"
    )
    score_sum: Mapped[float] = mapped_column(
        Fraction(0, 2**53), default=0.0, server_default="0", comment="sum of the prediction scores"
    )

    account: Mapped[Account] = belongs_to("DecisionRollup.account_id")

    __table_args__ = (
        UniqueConstraint("tenant_id", "day", "account_id", "model_id"),
        check(
            "sum",
            "decisions = switches + holds + failures AND shadow <= decisions",
            "decisions are the sum of switches, holds and failures",
        ),
        check("real", "real_switches <= decisions", "real switches are some of the decisions"),
    )


COUNTING = "decisions"
"""Watermark of the roll-ups of decisions. Its position is two days in UTC and a number: ``2026-03-05 2026-03-04 812``.

Days before the first are closed: nobody adds a decision to them. Days before the second are counted. The number is
that of a PostgreSQL transaction later than the closing, 0 where there is none yet.
"""


def open_from(position: Any) -> sa.ColumnElement[datetime]:
    """Return the moment from which on days are open, given the column of the position."""
    # On SQLite this is text: it sorts behind the last moment of the day before, and in front of the first one of this.
    return sa.cast(sa.func.substr(position, 1, 10, type_=sa.Text) + " 00:00:00+00", UtcDateTime())


class RollupWatermark(GlobalTable, Timestamped, Base):
    """How far a roll-up has come."""

    __tablename__ = "rollup_watermarks"

    name: Mapped[str] = mapped_column(Text(100, 1), unique=True, comment="which roll-up")
    position: Mapped[str] = mapped_column(Text(255), comment="last row that is counted, in the words of the roll-up")

    __table_args__ = ({"info": {"global": "the fold runs over all tenants at once"}},)
