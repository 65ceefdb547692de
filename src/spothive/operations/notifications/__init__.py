"""Notifications: who is told of what, and how it reaches them."""

from spothive.operations.notifications.telling import tell

__all__ = ["tell"]
