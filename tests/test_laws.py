"""What holds for every pooling layer, whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pooltool import adaptive_avg_pool2d, avg_pool2d, max_pool2d, min_pool2d

Array = NDArray[Any]
images = st.builds(
    lambda height, width, channels, seed: np.random.default_rng(seed).integers(
        0, 256, (height, width, channels), np.uint8
    ),
    st.integers(3, 12),
    st.integers(3, 12),
    st.integers(1, 4),
    st.integers(0, 10**6),
)
windows = st.fixed_dictionaries(
    {
        "pool_size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "padding": st.sampled_from(["valid", "same"]),
        "ceil_mode": st.booleans(),
    }
)
functions = st.sampled_from([max_pool2d, min_pool2d, avg_pool2d])
law = settings(max_examples=100, deadline=None)


@law
@given(images, windows, functions)
def test_channels_are_independent(
    image: Array, window: dict[str, Any], function: Callable[..., Array]
) -> None:
    order = np.roll(np.arange(image.shape[2]), 1)
    np.testing.assert_array_equal(
        function(image[..., order], **window), function(image, **window)[..., order]
    )


@law
@given(images, windows, functions)
def test_transposing_commutes(
    image: Array, window: dict[str, Any], function: Callable[..., Array]
) -> None:
    turned = {k: v[::-1] if isinstance(v, tuple) else v for k, v in window.items()}
    np.testing.assert_array_equal(
        function(image.transpose(1, 0, 2), **turned),
        function(image, **window).transpose(1, 0, 2),
    )


@law
@given(st.integers(0, 255), windows, functions)
def test_a_constant_stays(
    value: int, window: dict[str, Any], function: Callable[..., Array]
) -> None:
    assert (function(np.full((7, 5), value, np.uint8), **window) == value).all()


@law
@given(images, windows)
def test_max_commutes_with_increasing_maps(image: Array, window: dict[str, Any]) -> None:
    curve = np.sort(np.random.default_rng(1).integers(0, 65536, 256).astype(np.uint16))
    np.testing.assert_array_equal(
        max_pool2d(curve[image], **window), curve[max_pool2d(image, **window)]
    )


@law
@given(images, windows)
def test_min_is_the_max_of_the_negative(image: Array, window: dict[str, Any]) -> None:
    np.testing.assert_array_equal(
        min_pool2d(image, **window), 255 - max_pool2d(255 - image, **window)
    )


@law
@given(images, windows)
def test_the_average_lies_between(image: Array, window: dict[str, Any]) -> None:
    low, mean, high = (f(image, **window) for f in (min_pool2d, avg_pool2d, max_pool2d))
    assert (low <= mean).all()
    assert (mean <= high).all()
    rounded = avg_pool2d(image, dtype=np.uint8, **window)
    np.testing.assert_array_equal(rounded, np.rint(mean).astype(np.uint8))


@law
@given(images)
def test_two_halvings_are_one_quartering(image: Array) -> None:
    image = np.repeat(np.repeat(image, 4, axis=0), 4, axis=1)
    np.testing.assert_array_equal(max_pool2d(max_pool2d(image)), max_pool2d(image, 4))
    np.testing.assert_array_equal(avg_pool2d(avg_pool2d(image)), avg_pool2d(image, 4))


@law
@given(images)
def test_global_average_is_the_mean(image: Array) -> None:
    wanted = image.astype(np.float64).mean(axis=(0, 1)).astype(np.float32)
    np.testing.assert_allclose(adaptive_avg_pool2d(image, 1)[0, 0], wanted, rtol=1e-7)
