"""What somebody signed in with, as far as the text that a browser sends of itself tells."""

from __future__ import annotations

from spothive.models import DeviceType

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""What betrays a browser, and its name; the first that fits, since most claim to be Chrome or Safari too."""


def read_user_agent(user_agent: str | None) -> tuple[DeviceType | None, str | None]:
    """Return the kind of device and the browser; None for what cannot be told.

    It proves nothing: anybody may send any text.
    """
    if not user_agent:
        return None, None
    if "Mozilla/" not in user_agent:  # every browser says so; curl, libraries and scripts do not
        return DeviceType.API, None
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    if "iPad" in user_agent or "Tablet" in user_agent or ("Android" in user_agent and "Mobile" not in user_agent):
        return DeviceType.TABLET, browser
    if "Mobile" in user_agent:
        return DeviceType.MOBILE, browser
    return DeviceType.DESKTOP, browser
