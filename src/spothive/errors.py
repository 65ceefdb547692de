"""Every refusal spothive knows, as one family of exceptions.

A message is one line that says what happened and what to do next. It never holds a secret, so a door
may show ``str(error)`` to whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


class SpothiveError(Exception):
    """Base of every expected failure; anything else that is raised is a defect."""


class ConfigurationError(SpothiveError):
    """A setting is missing, unknown or cannot be used."""


class KeyMissing(ConfigurationError):
    """A sealing key is needed that the keyring does not hold, or there is no key at all; the message names the id."""


class SecretUnreadable(SpothiveError):
    """A sealed value does not open: it was changed, or copied from another row, column or tenant. Store it again."""


class InvalidInput(SpothiveError):
    """What was given cannot be accepted; nothing was written."""


class NothingToImport(InvalidInput):
    """Nothing of what was read can be taken.

    Attributes:
        refused: what was left out; each has ``instance_id``, ``source`` and ``reason``.
    """

    def __init__(self, message: str, *, refused: Sequence[Any]) -> None:
        """Keep what was refused beside the message."""
        super().__init__(message)
        self.refused = refused


class RowsRefused(InvalidInput):
    """A file has rows that cannot be taken, so nothing of it was.

    Attributes:
        refused: the first of them; each has ``line`` and ``reason``.
        count: how many there are.
    """

    def __init__(self, message: str, *, refused: Sequence[Any], count: int) -> None:
        """Keep what was refused beside the message."""
        super().__init__(message)
        self.refused = refused
        self.count = count


class ModelRefused(InvalidInput):
    """A model file is none that may be loaded, or not the one that was registered; nothing of it was run."""


class NotFound(SpothiveError):
    """No such row in this tenant. A row of another tenant answers exactly like one that does not exist."""


class NotAllowed(SpothiveError):
    """The actor may not do this."""


class KeyRefused(NotAllowed):
    """An API key opens nothing. Its message is the same whatever the reason: who shows a key learns no more.

    Attributes:
        reason: why, for the own staff.
        tenant_id: whose key it is; None if it is nobody's.
    """

    def __init__(self, message: str, *, reason: str, tenant_id: UUID | None = None) -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason
        self.tenant_id = tenant_id


class Conflict(SpothiveError):
    """The change does not fit what the database holds now; read again and decide again."""


class AccountAlreadyClaimed(Conflict):
    """The AWS account is connected elsewhere; by whom is never said."""


class ProofRefused(SpothiveError):
    """What AWS answered does not prove that an account may be connected; the message says what is wrong with it."""


class AlreadyRunning(Conflict):
    """The same work is under way in another process."""


class TenantNotBound(SpothiveError):
    """A session touched tenant data before it was bound to a tenant."""


class TenantMismatch(SpothiveError):
    """A session bound to one tenant was handed a row, a key or a statement that belongs to another."""


class NetworkInTransaction(SpothiveError):
    """The outside world, or bcrypt, was called while a database transaction was open."""


class Overloaded(SpothiveError):
    """More is asked at once than can be done; the same may succeed in a moment. Nothing was decided."""


class SignInRefused(NotAllowed):
    """Nobody was signed in. What must not be told is not told: several causes share one message."""


class SecondFactorNeeded(SignInRefused):
    """The password is right; a code that fits, of the second factor, is needed as well."""


class SessionEnded(NotAllowed):
    """The token opens no session, or none any more; its message is the same whatever the cause. Sign in again."""


class DatabaseUnavailable(SpothiveError):
    """The database cannot be reached, opened or written."""


class SchemaOutdated(SpothiveError):
    """The database is empty or older than the code: ``spothive db upgrade``."""


class SchemaTooNew(SpothiveError):
    """The database was migrated by a newer spothive than this one."""


class MigrationFailed(SpothiveError):
    """A revision could not be applied; the database is at the revision before it."""


class CopyFailed(SpothiveError):
    """The rows of a database could not be copied whole; nothing of them was kept."""


class RuleBroken(SpothiveError):
    """The database refused a write.

    Attributes:
        rule: name of the constraint, trigger or policy that refused, the same on every database.
        table: table of the rule, where the database or the declaration knows it.
    """

    def __init__(self, message: str, *, rule: str = "", table: str = "") -> None:
        """Keep the rule's name beside the message."""
        super().__init__(message)
        self.rule = rule
        self.table = table


class ValueRefused(RuleBroken):
    """A CHECK, a NOT NULL or a column type refused a value."""


class TextDamaged(ValueRefused):
    """A text in an SQLite file is no UTF-8, as only another program can write it."""


class DuplicateValue(RuleBroken, Conflict):
    """A unique key is taken."""


class ParentMissing(RuleBroken):
    """A row points at a parent that does not exist in this tenant, or would leave children without one."""


class IllegalMove(RuleBroken, Conflict):
    """A status may not change in this way; the ``StateMachine`` beside the model says what may."""


class AppendOnly(RuleBroken):
    """The table only ever grows: its rows are neither changed nor deleted."""


@dataclass(frozen=True, slots=True)
class AuditNote:
    """What the audit trail must remember of a refused attempt (event, resource and outcome DENIED or FAILURE)."""

    event: str
    resource: str
    resource_type: str
    actor_name: str
    actor_id: Any = None
    outcome: str = "DENIED"
    details: dict[str, Any] = field(default_factory=dict)


class Refused(SpothiveError):
    """A refusal that is remembered: the door rolls back, writes ``note`` in a fresh transaction and re-raises."""

    def __init__(self, message: str, *, note: AuditNote) -> None:
        """Keep the note for the door."""
        super().__init__(message)
        self.note = note


class Denied(Refused, NotAllowed):
    """The actor's role does not allow this; the attempt is in the audit trail."""
