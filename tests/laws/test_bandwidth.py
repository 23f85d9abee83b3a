"""How many codebooks: by bandwidth, by number, or left to the codec."""

from __future__ import annotations

import numpy as np
import pytest

from hopcodec import Codec
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.weights import seeded_weights


def tiny_dac(**arguments: int) -> CodecSpec:
    return dac(
        "tiny",
        encoder_dim=2,
        encoder_rates=(2, 2),
        decoder_dim=8,
        decoder_rates=(2, 2),
        codebook_size=16,
        codebook_dim=2,
        **arguments,
    )


def codec_of(spec: CodecSpec) -> Codec:
    return Codec(spec, seeded_weights(spec))


def test_six_kbps_where_it_is_on_offer_else_the_highest(codec: Codec) -> None:
    assert codec.default_bandwidth == 6.0
    audio = np.zeros((1, 640), np.float32)
    assert codec.encode(audio).shape == codec.encode(audio, 6.0).shape == (8, 2)
    assert codec.encoder().bandwidth == codec.streams(2).bandwidth == 6.0


def test_dac_codes_with_all_codebooks_unless_told_otherwise() -> None:
    codec = codec_of(tiny_dac(sample_rate=2000, n_codebooks=4))  # 2 kbps each: 6 is on offer
    assert codec.bandwidths == (2.0, 4.0, 6.0, 8.0)
    assert codec.default_bandwidth == 8.0
    assert codec.encoder().codebooks == codec.streams(1).codebooks == 4


def test_every_bandwidth_of_a_rate_that_no_float_holds() -> None:
    codec = codec_of(tiny_dac(sample_rate=4410, n_codebooks=9))
    for books, kbps in enumerate(codec.bandwidths, 1):
        assert codec.codebooks_for(kbps) == books
        assert codec.codebooks_for(round(kbps, 2)) == books
        assert codec.bandwidth_for(books) == kbps
        assert codec.encoder(round(kbps, 2)).bandwidth == kbps
    with pytest.raises(ValueError, match=r"expected one of 4\.41, 8\.82"):
        codec.codebooks_for(4.42)


def test_any_number_of_codebooks_instead_of_a_bandwidth(codec: Codec) -> None:
    audio = np.sin(np.arange(960, dtype=np.float32))[None]
    everything = codec.encode(audio, 24.0)
    for books in (1, 5, np.int64(32)):
        np.testing.assert_array_equal(codec.encode(audio, codebooks=books), everything[:books])
    encoder = codec.encoder(codebooks=5)
    assert encoder.bandwidth == 3.75
    encoder.codebooks = 8
    assert encoder.bandwidth == 6.0


def test_both_or_out_of_range(codec: Codec) -> None:
    with pytest.raises(ValueError, match=r"bandwidth or codebooks, got both: 6\.0 and 8"):
        codec.encoder(6.0, codebooks=8)
    for count in (0, -1, 33):
        with pytest.raises(ValueError, match=f"codebooks: expected 1 to 32, got {count}"):
            codec.streams(1, codebooks=count)
    for wrong in (2.0, "2", True):
        with pytest.raises(TypeError, match="codebooks: expected a whole number"):
            codec.encoder(codebooks=wrong)  # type: ignore[arg-type]
    encoder = codec.encoder(codebooks=3)
    with pytest.raises(ValueError, match="codebooks: expected 1 to 32"):
        encoder.codebooks = 40
    assert encoder.codebooks == 3
