"""The names of codecs, and their specs."""

from __future__ import annotations

from collections.abc import Callable

from hopcodec.specs._dac import dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from hopcodec.specs._encodec import encodec_24khz, encodec_32khz, encodec_48khz
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._lapped import hopcodec_24khz

SPECS: dict[str, Callable[[], CodecSpec]] = {
    "hopcodec_24khz": hopcodec_24khz,
    "encodec_24khz": encodec_24khz,
    "encodec_32khz": encodec_32khz,
    "encodec_48khz": encodec_48khz,
    "dac_16khz": dac_16khz,
    "dac_24khz": dac_24khz,
    "dac_44khz": dac_44khz,
    "dac_44khz_16kbps": dac_44khz_16kbps,
}
DEFAULT = "hopcodec_24khz"  # its weights are in the package
