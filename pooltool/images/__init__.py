"""Encoded bytes <-> pictures: every format that is read and written, and what each can hold."""

from pooltool.images.codec import decode, encode, read_header, without_resolution
from pooltool.images.picture import Encoded, Metadata, Picture, colored

__all__ = [
    "Encoded",
    "Metadata",
    "Picture",
    "colored",
    "decode",
    "encode",
    "read_header",
    "without_resolution",
]
