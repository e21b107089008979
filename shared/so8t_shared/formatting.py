"""Number formats for people: the only place where results are rounded.

None becomes "undefined", never 0. A share that is not quite 0 or 1 never reads as 0.0% or 100.0%,
and a p value never rounds across alpha.
"""

from __future__ import annotations

from so8t_shared.results.interval import Interval

UNDEFINED = "undefined"
_DIGITS = (2, 3, 4, 6, 10)


def undefined(n: int | None = None) -> str:
    """Text for an undefined value; `n` is the number of rows behind it."""
    return UNDEFINED if n is None else f"{UNDEFINED} (n = {n:,})"


def percent(share: float | None, n: int | None = None) -> str:
    """A share 0..1 as "91.2%"; shows `n` if the share is undefined."""
    if share is None:
        return undefined(n)
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}%"


def share(value: float | None, n: int | None = None) -> str:
    """A score 0..1, such as macro-F1, as "0.912"; shows `n` if the score is undefined."""
    return undefined(n) if value is None else f"{value:.3f}"


def points(difference: float | None, n: int | None = None) -> str:
    """A difference of two shares in percentage points, always signed: "+4.8"; 0 is "0.0"."""
    if difference is None:
        return undefined(n)
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} and difference == 0 else text


def counted(share: Interval) -> str:
    """A share as "5 of 45 (4.8 to 23.5%)"."""
    if not share.rows:
        return undefined(0)
    return f"{share.hits:,} of {share.rows:,} ({100 * share.low:.1f} to {100 * share.high:.1f}%)"


def percent_interval(interval: Interval) -> str:
    """Such as "91.2% (88.0 to 93.5)"."""
    return f"{percent(interval.value)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def points_interval(interval: Interval | None, n: int | None = None) -> str:
    """Such as "+4.8 (+1.2 to +8.5)", in percentage points."""
    if interval is None:
        return undefined(n)
    return f"{points(interval.value)} ({points(interval.low)} to {points(interval.high)})"


def p_value(p: float | None, alpha: float = 0.05) -> str:
    """Such as "< 0.001" or "0.034", with enough digits to stay on its side of `alpha`."""
    if p is None:
        return UNDEFINED
    if p < 0.001 <= alpha:
        return "< 0.001"
    if p > 0.9995:
        return "1.00"
    for digits in _DIGITS:
        text = f"{p:.{digits}g}"
        shown = float(text)
        if (shown < alpha) == (p < alpha) and (shown > alpha) == (p > alpha) and shown < 1:
            return text
    return repr(p)


def p_equals(p: float | None, alpha: float = 0.05) -> str:
    """Such as "p = 0.034" or "p < 0.001"."""
    text = p_value(p, alpha)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def milliseconds(value: float | None, n: int | None = None) -> str:
    """Such as "4.21 ms", "347 ms" or "1.63 s"."""
    if value is None:
        return undefined(n)
    if value >= 999.5:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 99.5 else f"{value:.3g} ms"


def duration(seconds: float | None) -> str:
    """Such as "4.2 s", "3 min 07 s" or "2 h 05 min"."""
    if seconds is None:
        return UNDEFINED
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(n_bytes: int | None) -> str:
    """Bytes in decimal units: "98.4 MB", "1.2 GB"."""
    if n_bytes is None:
        return UNDEFINED
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.99995 * factor:  # 999,960 bytes are 1.0 MB, not 1000.0 kB
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes} B"


def rate(tokens_per_s: float | None, n: int | None = None) -> str:
    """Tokens per second: "42.1"."""
    return undefined(n) if tokens_per_s is None else f"{tokens_per_s:.1f}"


def plural(n: int, one: str, many: str) -> str:
    """The word form that goes with `n`."""
    return one if n == 1 else many


def count(n: int | None) -> str:
    """Such as "134,515,008"."""
    return UNDEFINED if n is None else f"{n:,}"
