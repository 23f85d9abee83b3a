"""Read and write codes: `.hop` (ours, for every codec), and the originals' `.ecdc` and `.dac`."""

from __future__ import annotations

from hopcodec.files.dac._file import DacFile, read_dac, write_dac
from hopcodec.files.ecdc._file import (
    EcdcHeader,
    EcdcReader,
    EcdcWriter,
    read_ecdc,
    read_ecdc_header,
    write_ecdc,
)
from hopcodec.files.hop._file import HopReader, HopWriter, read_hop, write_hop
from hopcodec.files.hop._header import HopHeader

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
