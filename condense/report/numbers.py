"""Numbers as people read them: rounding, signs, percent, spreads, p values, durations, sizes. Nothing else formats them."""

from condense.statistics import Paired, Summary

NONE = "\N{EN DASH}"
"""What stands where there is no number."""
MINUS = "\N{MINUS SIGN}"


def decimal(value: float, digits: int = 1) -> str:
    """'0.3' or '−0.3'; what rounds to zero has no sign."""
    return f"{value:z.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 1, *, sign_of_zero: bool = False) -> str:
    """'+1.2' or '−0.3'; what rounds to zero is '+0.0', but with its own sign where that is asked for."""
    text = f"{value:+.{digits}f}" if sign_of_zero else f"{value:+z.{digits}f}"
    return text.replace("-", MINUS)


def scientific(value: float) -> str:
    """'1.2e-07', as programs print it."""
    return f"{value:.1e}"


def thousands(count: int) -> str:
    """'1,234,567'."""
    return f"{count:,}"


def mean_and_std(mean: float, std: float | None, digits: int = 1) -> str:
    """'91.9 ± 0.3', or '91.9' where the deviation is not known."""
    return decimal(mean, digits) + _spread(std, digits)


def percent_of(summary: Summary, digits: int = 1) -> str:
    """Mean and standard deviation of fractions in percent: '91.9 ± 0.3'."""
    return mean_and_std(100 * summary.mean, 100 * summary.std, digits)


def difference(mean: float, spread: float | None, digits: int = 1) -> str:
    """'+1.2 ± 0.3', a difference with the half width of its interval; '+1.2' where that is not known."""
    return signed(mean, digits) + _spread(spread, digits)


def _spread(value: float | None, digits: int) -> str:
    return "" if value is None else f" ± {decimal(value, digits)}"


def with_error(found: Paired, scale: float, digits: int) -> str:
    """The mean of paired differences with its standard error, both times `scale`: '−0.0004 ± 0.0007'; by their magnitudes,
    '−2.0e−07 ± 1.0e−07', where all digits would be zeros.
    """
    if not found.n or found.error is None:
        return NONE
    mean, error = scale * found.mean, scale * found.error
    if 0 < max(abs(mean), error) < 0.5 * 10**-digits:
        return f"{mean:+.1e} ± {error:.1e}".replace("-", MINUS)
    return f"{signed(mean, digits, sign_of_zero=True)} ± {decimal(error, digits)}"


def interval(low: float, high: float, digits: int = 1) -> str:
    """'89.5 to 94.5'."""
    return f"{decimal(low, digits)} to {decimal(high, digits)}"


def p_value(p: float | None) -> str:
    """'0.034' or '<0.001'; that there is none where nothing could be tested."""
    return NONE if p is None else "<0.001" if p < 0.001 else decimal(p, 3)


def percent(number: str) -> str:
    """A number with its percent sign, which no line break may tear apart."""
    return f"{number} %".replace(" ", "\N{NO-BREAK SPACE}")


def times(factor: float) -> str:
    """'12.3 ×'."""
    return f"{decimal(factor)} ×"


def duration(seconds: float) -> str:
    """'7.3 s', '16 min 13 s' or '2 h 05 min'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(size: float) -> str:
    """Bytes as '873 MiB' or '1.8 GiB'."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
