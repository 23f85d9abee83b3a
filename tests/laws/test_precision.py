"""bfloat16 weights: exactly the codec whose matrices were rounded beforehand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from shared_models import full_weights, tiny_spec, tiny_weights

import hopcodec
from hopcodec import Codec, StreamError, _core
from hopcodec.specs._encodec import encodec_24khz

Array = npt.NDArray[np.float32]


def round_to_bfloat16(x: Array) -> Array:
    """Nearest multiple of 2^(exponent - 7), ties to even, in float64."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8).astype(np.float32)


def rounded(weights: dict[str, Array]) -> dict[str, Array]:
    def is_matrix(name: str) -> bool:
        return name.endswith(".weight") or "weight_ih" in name or "weight_hh" in name

    return {n: round_to_bfloat16(w) if is_matrix(n) else w for n, w in weights.items()}


@pytest.mark.parametrize("start", ["exact", "immediate"])
def test_bits_of_the_rounded_model_on_every_isa(isa: str, start: str) -> None:
    rng = np.random.default_rng(3)
    audio = (0.1 * rng.standard_normal((1, 4321))).astype(np.float32)
    expected = Codec(tiny_spec(), rounded(tiny_weights()))
    codec = Codec(tiny_spec(), tiny_weights(), precision="bf16", isa=isa)
    codes = expected.encode(audio, 3.6, start=start)
    np.testing.assert_array_equal(codec.encode(audio, 3.6, start=start), codes)
    np.testing.assert_array_equal(
        codec.decode(codes, start=start), expected.decode(codes, start=start)
    )
    exact = Codec(tiny_spec(), tiny_weights())
    assert not np.array_equal(exact.decode(codes), expected.decode(codes))


def test_the_released_shape_hop_by_hop(speech: Array) -> None:
    spec, audio = encodec_24khz(), np.ascontiguousarray(speech[:, 20000:26000])
    expected = Codec(spec, rounded(full_weights()))
    codec = Codec(spec, full_weights(), precision="bf16")
    codes = expected.encode(audio, 24.0)
    encoder = codec.encoder(24.0)
    hops = [encoder.push(np.ascontiguousarray(audio[:, i : i + 320])) for i in range(0, 6000, 320)]
    np.testing.assert_array_equal(np.concatenate([*hops, encoder.flush()], axis=1), codes)
    np.testing.assert_array_equal(codec.decode(codes), expected.decode(codes))


def test_most_codes_stay(codec: Codec, speech: Array) -> None:
    other = Codec(encodec_24khz(), full_weights(), precision="bf16")
    exact, near = codec.encode(speech, 1.5), other.encode(speech, 1.5)
    assert 0.9 < (exact == near).mean() < 1


def test_a_snapshot_belongs_to_its_precision(tiny: Codec) -> None:
    other = Codec(tiny_spec(), tiny_weights(), precision="bf16")
    with pytest.raises(StreamError, match="weights"):
        other.encoder(1.8).restore(tiny.encoder(1.8).snapshot())


def test_an_unknown_precision() -> None:
    for model in (None, "no/such/file.safetensors"):  # it is not even looked for
        with pytest.raises(ValueError, match=r"precision: .*, got 'int8'"):
            hopcodec.load(model, precision="int8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"fp32" or "bf16", got "int8"'):
        _core.sessions.Layers("int8")
