"""Measures and windows in words: a table, records for JSON, numerals that line up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import floor, isfinite, log10
from typing import Any

from pooltool.compare.measures import Measures
from pooltool.geometry import AnyWindows, Windows

MISSING = "-"


def as_records(measures: Iterable[Measures]) -> list[dict[str, Any]]:
    """One dict a method, ready for JSON: None where there is no figure."""
    return [{**asdict(found), "output_shape": list(found.output_shape)} for found in measures]


def as_table(measures: Sequence[Measures]) -> str:
    """Align the measures under their names, a row a method; `-` where there is no figure."""
    words = [
        ["method", *(found.method for found in measures)],
        ["output shape", *(str(found.output_shape) for found in measures)],
    ]
    figures = [
        ["mean", *numerals([found.mean for found in measures], at_least=2)],
        ["std", *numerals([found.std for found in measures], at_least=2)],
        ["noise", *(_ratio_text(found.noise) for found in measures)],
        ["shift", *(_ratio_text(found.shift) for found in measures)],
    ]
    aligned = [[f"{cell:<{widest(column)}}" for cell in column] for column in words]
    aligned += [[f"{cell:>{max(6, widest(column))}}" for cell in column] for column in figures]
    return "\n".join("  ".join(row) for row in zip(*aligned, strict=True))


def _ratio_text(ratio: float | None) -> str:
    return MISSING if ratio is None else f"{ratio:.2f}"


def numerals(values: Iterable[float | None], *, at_least: int | None = None) -> list[str]:
    """Write numbers to about three digits of the largest, all with as many decimals.

    `at_least` so many decimals are shown; when it is None, zeros at the end of all are cut.
    """
    numbers = [None if value is None else float(value) for value in values]
    finite = [abs(number) for number in numbers if number is not None and isfinite(number)]
    largest = max(finite, default=0.0)
    if largest and not 1e-4 <= largest < 1e9:
        return [MISSING if number is None else f"{number:.3g}" for number in numbers]
    places = 2 if largest >= 1 or not largest else 2 - floor(log10(largest))
    places = _needed(finite, places) if at_least is None else max(at_least, places)
    return [MISSING if number is None else f"{number:.{places}f}" for number in numbers]


def _needed(numbers: Sequence[float], most: int) -> int:
    """Decimals, at most `most`, after which only zeros follow in every number so rounded."""
    tails = [f"{number:.{most}f}".partition(".")[2].rstrip("0") for number in numbers]
    return max(map(len, tails), default=0)


def window_text(windows: AnyWindows) -> str:
    """Describe the windows in a few words; sizes are HEIGHTxWIDTH in pixels."""
    if not isinstance(windows, Windows):
        return f"adaptive windows, output {size_text(windows.output_size)}"
    words = [f"windows {size_text(windows.pool_size)}", f"stride {size_text(windows.stride)}"]
    if windows.padding == "same":
        words.append("padding same")
    elif windows.padding != "valid" and any(map(any, windows.padding)):
        words.append(f"padding {_padding_text(windows.padding)}")
    if windows.dilation != (1, 1):
        words.append(f"dilation {size_text(windows.dilation)}")
    if windows.ceil_mode:
        words.append("ceil mode")
    return ", ".join(words)


def size_text(size: Sequence[int]) -> str:
    """`HEIGHTxWIDTH` of a shape or a size."""
    return "x".join(map(str, size[:2]))


def _padding_text(padding: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (top, bottom), (left, right) = padding
    if (top, left) == (bottom, right):
        return size_text((top, left))
    return f"top {top}, bottom {bottom}, left {left}, right {right}"


def widest(texts: Iterable[str]) -> int:
    """Characters of the longest text."""
    return max(map(len, texts), default=0)
