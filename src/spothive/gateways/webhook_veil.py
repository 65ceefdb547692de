"""Covers a webhook's URL and secrets where a receiver repeats them: answers are kept, and read by people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

SHORT: Final = 8
"""Parts of a path that have fewer characters are no secret; they stay readable."""

_COVER: Final = "***"
_CHARACTER: Final = re.compile(r"%(?:25)*([0-9a-f]{2})|\\u00([0-9a-f]{2})|\\?(.)", re.IGNORECASE | re.DOTALL)
"""One character as it may be spelled: by percent (once or again), as JSON escapes it, or as it is."""

_CUT: Final = re.compile(r"(%(25)*[0-9a-f]?|\\(u0{0,2}[0-9a-f]?)?|\N{REPLACEMENT CHARACTER}+)\Z", re.IGNORECASE)
"""The beginning of such a spelling at the end of a text."""

_BETWEEN: Final = re.compile(r"[/?&=;]")
_INSIDE: Final = re.compile(r"[/?&=;:,@|!$'()* ]")


class Veil:
    """What of an answer nobody may read: the path of a URL, each longer part of it, and secrets."""

    def __init__(self, target: str, keys: Sequence[str]) -> None:
        """Cover what the URL says after the host, and signing secrets.

        Args:
            target: path and query of the URL.
            keys: signing secrets, with the prefix that they are shown with.
        """
        path, _, query = target.partition("?")
        whole = [target, path, query, *_BETWEEN.split(target)]
        parts = {_plain(part) for part in whole}
        parts |= {part for text in (_plain(target), *parts) for part in _INSIDE.split(text)}
        hidden = {part for part in parts if len(part) >= SHORT}
        hidden |= {_plain(text) for key in keys for text in (key, key.partition("_")[2]) if text}
        self._hidden = sorted(hidden, key=len, reverse=True)

    def over(self, text: str) -> str:
        """Return ``text`` with all of that covered, in whatever case and spelling, also what its end cuts in two."""
        spelled = list(_spelled(text))
        plain = "".join(character for character, _, _ in spelled)
        covered = bytearray(len(text))
        for hidden in self._hidden:
            at = plain.find(hidden)
            while at >= 0:
                begin, end = spelled[at][1], spelled[at + len(hidden) - 1][2]
                covered[begin:end] = b"\1" * (end - begin)
                at = plain.find(hidden, at + 1)
        return _without(text[: self._whole(text)], covered)

    def _whole(self, text: str) -> int:
        """Return where the text ends before something hidden that its end cuts in two."""
        spelled = list(_spelled(_CUT.sub("", text)))
        plain = "".join(character for character, _, _ in spelled)
        cuts = (_cut(plain, hidden) for hidden in self._hidden)
        longest = max(cuts, default=0)
        return spelled[len(spelled) - longest][1] if longest >= SHORT else len(text)


def _cut(text: str, hidden: str) -> int:
    """Return how many characters of the beginning of ``hidden``, but not all, ``text`` ends with."""
    sizes = range(min(len(hidden) - 1, len(text)), SHORT - 1, -1)
    return next((size for size in sizes if text.endswith(hidden[:size])), 0)


def _without(text: str, covered: bytearray) -> str:
    shown, under = [], False
    for character, is_covered in zip(text, covered, strict=False):  # the text may end sooner
        if is_covered and not under:
            shown.append(_COVER)
        elif not is_covered:
            shown.append(character)
        under = bool(is_covered)
    return "".join(shown)


def _plain(text: str) -> str:
    return "".join(character for character, _, _ in _spelled(text))


def _spelled(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each byte of a text as a character in lower case, with where it begins and ends in the text.

    Bytes, since that is what percent spells. A plus is a blank, as in a form.
    """
    for found in _CHARACTER.finditer(text):
        code = found[1] or found[2]
        data = bytes([int(code, 16)]) if code else found[3].encode("utf-8", "replace")
        for byte in data:
            yield (" " if byte == ord("+") else chr(byte).lower()), found.start(), found.end()
