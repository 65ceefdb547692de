"""JSON values that notice being changed in place, at any depth.

SQLAlchemy's own ``MutableDict`` sees ``row.settings["a"] = 1`` but not ``row.settings["a"]["b"] = 1``: that
change would be lost without a word.
"""

from __future__ import annotations

import weakref
from typing import Any, Self, SupportsIndex

from sqlalchemy.ext.mutable import Mutable, MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase

from spothive.errors import InvalidInput


class _Nested(Mutable):
    """Reports a change to the rows it is a value of, and to the value it stands in."""

    _outer: weakref.ref[_Nested] | None = None

    def changed(self) -> None:
        # Both: row.settings = other.settings["a"] makes one object a value of this row and a part of the other's.
        super().changed()
        outer = self._outer() if self._outer is not None else None
        if outer is not None:
            outer.changed()

    def _adopt(self, value: Any) -> Any:
        """Return ``value`` as a tracked child of this one."""
        if isinstance(value, dict):
            child: Any = TrackedDict(value)
        elif isinstance(value, (list, tuple)):
            child = TrackedList(value)
        else:
            return value
        child._outer = weakref.ref(self)  # noqa: SLF001 - same class family
        return child


class TrackedDict(_Nested, MutableDict[str, Any]):
    """A JSON object; every change below it marks its row as changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Adopt what a dict would be made of."""
        super().__init__()
        for key, value in dict(*args, **kwargs).items():
            dict.__setitem__(self, key, self._adopt(value))

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Track a plain dict that is assigned to a row.

        Raises:
            InvalidInput: it is no JSON object.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, dict):
            return cls(value)
        msg = f"{key} is a JSON object; got {type(value).__name__}"
        raise InvalidInput(msg)

    def __setitem__(self, key: str, value: Any) -> None:
        """Set and report."""
        super().__setitem__(key, self._adopt(value))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Set if missing and report."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several and report."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # dict's overloads add nothing here
        """Update in place and report."""
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type, tuple[dict[str, Any]]]:
        """Copy and pickle without the row: the copy is a value of its own."""
        del protocol
        return type(self), (dict(self),)


class TrackedList(_Nested, MutableList[Any]):
    """A JSON array; every change below it marks its row as changed."""

    def __init__(self, values: Any = ()) -> None:
        """Adopt the values."""
        super().__init__()
        list.extend(self, [self._adopt(value) for value in values])

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Track a plain list that is assigned to a row.

        Raises:
            InvalidInput: it is no JSON array.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, (list, tuple)):
            return cls(value)
        msg = f"{key} is a JSON array; got {type(value).__name__}"
        raise InvalidInput(msg)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Set one or a slice and report."""
        adopted = [self._adopt(v) for v in value] if isinstance(index, slice) else self._adopt(value)
        super().__setitem__(index, adopted)

    def append(self, value: Any) -> None:
        """Append and report."""
        super().append(self._adopt(value))

    def extend(self, values: Any) -> None:
        """Extend and report."""
        super().extend([self._adopt(value) for value in values])

    def __iadd__(self, values: Any) -> Self:  # type: ignore[misc]  # list's overloads add nothing here
        """Extend in place and report."""
        self.extend(values)
        return self

    def insert(self, index: SupportsIndex, value: Any) -> None:
        """Insert and report."""
        super().insert(index, self._adopt(value))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type, tuple[list[Any]]]:
        """Copy and pickle without the row: the copy is a value of its own."""
        del protocol
        return type(self), (list(self),)


def track_changes(model: type[DeclarativeBase]) -> None:
    """Notice changes within the values of ``model``'s columns that have ``info={"tracked": <one of these classes>}``.

    ``Mutable.as_mutable`` would do the same, but looks at every column of every model for each of them.
    """
    for column in model.__table__.columns:
        if "tracked" in column.info:
            attribute = model.__mapper__.get_property_by_column(column).key
            column.info["tracked"].associate_with_attribute(getattr(model, attribute))
