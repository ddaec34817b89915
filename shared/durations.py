"""Durations as people write them: `7d`, `12h`, `30m`, `45s`."""

from datetime import timedelta

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def period_of(text: str) -> timedelta:
    """Return the length of time of a text such as `7d`; raises ValueError."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or int(number) < 1:
        msg = f"expected a number and a unit, such as 7d, 12h, 30m or 45s; found {text}"
        raise ValueError(msg)
    return timedelta(**{_UNITS[unit]: int(number)})
