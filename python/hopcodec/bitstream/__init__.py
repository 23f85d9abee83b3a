"""Codes as bytes: `.hop` (ours, for every codec), `.ecdc` and `.dac` (of the original commands)."""

from __future__ import annotations

from hopcodec.bitstream.container import HopReader, HopWriter, read_hop, write_hop
from hopcodec.bitstream.dac_file import DacFile, read_dac, write_dac
from hopcodec.bitstream.ecdc import (
    EcdcHeader,
    EcdcReader,
    EcdcWriter,
    read_ecdc,
    read_ecdc_header,
    write_ecdc,
)
from hopcodec.bitstream.hop_header import HopHeader

__all__ = [
    "DacFile",
    "EcdcHeader",
    "EcdcReader",
    "EcdcWriter",
    "HopHeader",
    "HopReader",
    "HopWriter",
    "read_dac",
    "read_ecdc",
    "read_ecdc_header",
    "read_hop",
    "write_dac",
    "write_ecdc",
    "write_hop",
]
