"""Notifications: who is told of what, and how it reaches them."""

from spothive.operations.notifications.telling import News, tell, tell_all

__all__ = ["News", "tell", "tell_all"]
