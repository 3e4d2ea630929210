"""Encoded bytes <-> pictures: every format that is read and written, and what each can hold."""

from pooltool.images.codec import decode, encode, read_header
from pooltool.images.picture import Encoded, Metadata, Picture, colored
from pooltool.images.tags import Resolution

__all__ = [
    "Encoded",
    "Metadata",
    "Picture",
    "Resolution",
    "colored",
    "decode",
    "encode",
    "read_header",
]
