"""Codes as bytes: the `.ecdc` container."""

from __future__ import annotations

from hopcodec.bitstream.ecdc import (
    EcdcHeader,
    EcdcReader,
    EcdcWriter,
    read_ecdc,
    read_ecdc_header,
    write_ecdc,
)

__all__ = [
    "EcdcHeader",
    "EcdcReader",
    "EcdcWriter",
    "read_ecdc",
    "read_ecdc_header",
    "write_ecdc",
]
