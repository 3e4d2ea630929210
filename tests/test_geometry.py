"""Where windows lie, by hand-checked numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from pooltool import WindowError
from pooltool.geometry import Axis, Windows, pair, row_axis
from pooltool.kernels.means import counts_along


def axis(size: int, *settings: Any, **named: Any) -> Axis:
    """The windows over the rows of an image with 1000 columns."""
    rows, _ = Windows.of(*settings, **named).axes((size, 1000))
    assert isinstance(rows, Axis)
    return rows


def fields(axis: Axis) -> list[Any]:
    """What tells windows from others."""
    sizes = axis.pool_size, axis.stride, axis.dilation, axis.after, axis.unseen
    return [axis.size, [*axis.starts], *sizes, axis.lengths]


def counts(axis: Axis, count_padding: bool = False) -> list[int]:
    """How many pixels each window holds."""
    without = [len(axis.pixels(index)) for index in range(axis.count)]
    assert counts_along(axis, False).tolist() == without
    return list(counts_along(axis, count_padding))


@pytest.mark.parametrize(
    ("size", "settings", "count"),
    [
        (700, {"pool_size": 2}, 350),
        (1024, {"pool_size": 2}, 512),
        (5, {"pool_size": 2}, 2),
        (5, {"pool_size": 2, "ceil_mode": True}, 3),
        (7, {"pool_size": 3, "stride": 1}, 5),
        (7, {"pool_size": 3, "stride": 2}, 3),
        (8, {"pool_size": 3, "stride": 2}, 3),
        (8, {"pool_size": 3, "stride": 2, "ceil_mode": True}, 4),
        (7, {"pool_size": 3, "stride": 2, "padding": "same"}, 4),
        (8, {"pool_size": 3, "stride": 2, "padding": "same"}, 4),
        (5, {"pool_size": 2, "stride": 5, "padding": "same"}, 1),
        (6, {"pool_size": 3, "stride": 2, "padding": 1}, 3),
        (7, {"pool_size": 3, "stride": 1, "dilation": 2}, 3),
        (7, {"pool_size": 2, "stride": 10**9}, 1),
        # PyTorch: a last window that starts in the padding is dropped.
        (4, {"pool_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, 3),
        (1, {"pool_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, 1),
        # PyTorch: in ceil mode a window may be larger than the image.
        (2, {"pool_size": 3, "stride": 2, "ceil_mode": True}, 1),
    ],
)
def test_output_size(size: int, settings: dict[str, Any], count: int) -> None:
    assert axis(size, **settings).count == count


@pytest.mark.parametrize(
    ("size", "pool", "stride", "before", "after"),
    [(4, 2, 1, 0, 1), (4, 3, 1, 1, 1), (5, 3, 2, 1, 1), (6, 3, 2, 0, 1), (5, 2, 3, 0, 0)],
)
def test_same_puts_the_odd_pixel_at_the_end(
    size: int, pool: int, stride: int, before: int, after: int
) -> None:
    rows = axis(size, pool, stride, padding="same")
    assert (-rows.starts[0], rows.after) == (before, after)


def test_a_window_knows_its_pixels() -> None:
    rows = axis(5, 3, 2, padding=1, ceil_mode=True)  # windows start at -1, 1, 3
    assert list(rows.starts) == [-1, 1, 3]
    assert counts(rows) == [2, 3, 2]
    assert counts(rows, count_padding=True) == [3, 3, 3]
    assert rows.span(0, 3) == (-1, 6)


def test_what_ceil_mode_adds_is_never_counted() -> None:
    rows = axis(6, 3, 2, padding=0, ceil_mode=True)  # the window at 4 hangs one pixel over the end
    assert counts(rows, count_padding=True) == [3, 3, 2]


def test_dilated_windows_skip_pixels() -> None:
    rows = axis(6, 3, 1, padding=2, dilation=2)  # pixels -2, 0, 2; -1, 1, 3; ...
    assert counts(rows) == [2, 2, 3, 3, 2, 2]


def test_adaptive_windows_follow_pytorch() -> None:
    rows, _ = Windows.adaptive(4).axes((10, 4))
    assert [rows.span(i, i + 1) for i in range(4)] == [(0, 3), (2, 5), (5, 8), (7, 10)]
    assert (rows.pool_size, rows.lengths, rows.reduction) == (4, (3, 3, 3, 3), 2.5)
    low, high, part = rows.part(1, 3)
    assert (low, high, part.starts, part.lengths) == (2, 8, (0, 3), (3, 3))


def test_adaptive_windows_that_divide_are_plain_windows() -> None:
    rows, columns = Windows.adaptive((2, 1)).axes((6, 5))
    assert fields(rows) == fields(Axis(6, range(0, 6, 3), 3, 3))
    assert fields(columns) == fields(Axis(5, range(0, 5, 5), 5, 5))


@pytest.mark.parametrize(
    "value", [0, -1, 2.5, 2.0, True, "2", None, (2,), (1, 2, 3), (2, 0), [1.5]]
)
def test_sizes_that_are_not_positive_integers_are_refused(value: Any) -> None:
    with pytest.raises(WindowError, match=r"pool_size=.* is not a positive integer"):
        pair("pool_size", value)


@pytest.mark.parametrize("value", ["full", -1, 1.5, True, (1, -1), ((1, 2), 3), (1, 2, 3), None])
def test_padding_that_cannot_be_read_is_refused(value: Any) -> None:
    with pytest.raises(WindowError, match="padding"):
        Windows.of(2, padding=value)


@pytest.mark.parametrize(
    ("size", "settings", "problem"),
    [
        (4, {"pool_size": 5}, "pool_size=5 does not fit: a window takes 5 rows, the image has 4"),
        (4, {"pool_size": 3, "dilation": 2}, "pool_size=3, dilation=2 does not fit: .* 5 rows"),
        (4, {"pool_size": 2, "padding": 2}, "padding=2 leaves a window without a row"),
        (4, {"pool_size": 2, "padding": ((0, 3), (0, 0))}, "leaves a window without a row"),
        (1, {"pool_size": 2, "padding": 1, "dilation": 2}, "leaves a window without a row"),
        (4, {"pool_size": 2, "padding": 10**9}, "leaves a window without a row"),
        (2, {"pool_size": 5, "stride": 2, "ceil_mode": True}, "does not fit"),
    ],
)
def test_windows_that_cannot_lie_on_the_image(
    size: int, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(WindowError, match=problem) as caught:
        axis(size, **settings)
    assert str(caught.value).endswith(f"(image shape ({size}, 1000))")


@pytest.mark.parametrize(("ndim", "data_format", "axis"), [
    (2, "channels_last", 0), (3, "channels_last", 0), (4, "channels_last", 1),
    (2, "channels_first", 0), (3, "channels_first", 1), (4, "channels_first", 2),
])  # fmt: skip
def test_where_the_rows_are(ndim: int, data_format: Any, axis: int) -> None:
    assert row_axis(ndim, data_format) == axis


def test_none_keeps_as_many_as_there_are() -> None:
    rows, columns = Windows.adaptive((None, 7)).axes((3, 12, 30), "channels_first")
    assert (rows.count, columns.count) == (12, 7)
    for value in (None, (None, 0), (None, 7, 1), (None, (2, 3)), (None, 2.0)):
        with pytest.raises(WindowError) as caught:
            Windows.adaptive(value)  # type: ignore[arg-type]
        assert str(caught.value).startswith(f"output_size={value} is not a positive integer")


def test_taps_that_are_padding_in_every_window_are_left_out() -> None:
    rows = axis(10, 10**9, 3, padding="same")
    assert rows.pool_size <= 20
    assert counts(rows) == [10] * 4
    assert counts(rows, count_padding=True) == [10**9] * 4
    assert rows.unseen + rows.pool_size == 10**9
    hanging = axis(5, 9, 2, padding=((4, 2), (0, 0)), ceil_mode=True)  # from -4 and -2, to 4 and 6
    assert counts(hanging) == [5, 5]
    assert counts(hanging, count_padding=True) == [9, 9]
    middle = axis(7, 3, 1, padding="same", dilation=10**9)
    assert counts(middle) == [1] * 7
    assert middle.pool_size == 1


def test_windows_with_gaps_that_miss_the_image() -> None:
    """All windows are looked at in few steps, as against one by one."""
    for size, pool, stride, dilation, before in product(
        (1, 2, 3, 5), (1, 2, 3), (1, 2, 3, 4, 6), (2, 3, 4, 6, 7), range(13)
    ):
        starts = range(-before, size, stride)
        taps = [range(start, start + dilation * pool, dilation) for start in starts]
        misses = any(not set(tap) & set(range(size)) for tap in taps)
        last = starts[-1] + dilation * (pool - 1) + 1
        padding = ((before, max(0, last - size)), (0, 0))
        try:
            count = axis(
                size, (pool, 1), (stride, 1), padding=padding, dilation=(dilation, 1)
            ).count
        except WindowError:
            assert misses
        else:
            assert (count, misses) == (len(starts), False)
    with pytest.raises(WindowError, match="leaves a window without a row"):
        axis(4, (2**30, 1), 1, padding=((2**31 - 1, 0), (0, 0)), dilation=(2, 1))
    assert axis(4, (2**30, 1), 1, padding=((2**31 - 4, 0), (0, 0)), dilation=(2, 1)).count == 2


def test_rows_come_before_columns() -> None:
    rows, columns = Windows.of((2, 3), (4, 5), padding=((1, 0), (0, 2))).axes((10, 20))
    assert fields(rows) == fields(Axis(10, range(-1, 8, 4), 2, 4))
    assert fields(columns) == fields(Axis(20, range(0, 20, 5), 3, 5, after=2))


def test_names_of_padding_in_upper_case() -> None:
    assert Windows.of(2, padding="SAME") == Windows.of(2, padding="same")  # type: ignore[arg-type]
    assert Windows.of(2, padding="VALID") == Windows.of(2)  # type: ignore[arg-type]


def test_output_sizes_beyond_reason_are_refused() -> None:
    for size in ((10**9, 1), (1, 10**9), (10**6, 10**6)):
        with pytest.raises(WindowError, match="is more than 262144 rows or columns"):
            Windows.adaptive(size).axes((5, 7))
    assert Windows.adaptive((300_000, 1)).axes((300_000, 7))[0].count == 300_000


def test_one_window_is_not_the_same_at_another_stride() -> None:
    """Parts of axes are cached, and ranges of one element are equal whatever their step."""
    one, other = (axis(9, 5, stride).part(0, 1)[2] for stride in (4, 5))
    assert (one.starts, one.stride, other.stride) == (other.starts, 4, 5)
