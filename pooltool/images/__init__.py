"""Encoded bytes <-> pictures: every format that is read and written, and what each can hold."""

from pooltool.images.codec import START_BYTES, decode, encode, require_image
from pooltool.images.picture import Encoded, Metadata, Picture, Resolution

__all__ = [
    "START_BYTES",
    "Encoded",
    "Metadata",
    "Picture",
    "Resolution",
    "decode",
    "encode",
    "require_image",
]
