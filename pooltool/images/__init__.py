"""Encoded bytes <-> pictures: every format that is read and written, and what each can hold."""

from pooltool.images.codecs import Encoded, Picture, decode, encode, pixel_limit
from pooltool.images.containers import START_BYTES, require_image
from pooltool.images.metadata import Metadata

__all__ = [
    "START_BYTES",
    "Encoded",
    "Metadata",
    "Picture",
    "decode",
    "encode",
    "pixel_limit",
    "require_image",
]
