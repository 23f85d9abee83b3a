"""No timing before the result is right: each peer against the torch module, on real speech."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from peers import PEERS, Audio, Codes, Peer

# What float32 leaves after summing in another order, with room: two near-ties in 20 hops of 8
# codes, each of which may change the later codes of its frame.
MIN_AGREEMENT = 0.9
MIN_SNR_DB = 80.0


@dataclass(frozen=True)
class Check:
    """`snr_db` (None: no error at all) and `max_error` are of audio from the reference's codes."""

    code_agreement: float
    first_codebook_agreement: float
    max_error: float
    snr_db: float | None


def check(peer: Peer, hops: Audio, codes: Codes, audio: Audio) -> Check:
    """Runs `peer` over all of `hops` from zero state. Raises where it must match but does not."""
    peer.reset()
    own_codes = np.stack([peer.encode_hop(hop).copy() for hop in hops]).astype(np.int64)
    given = codes.astype(peer.codes_dtype)
    own_audio = np.stack([peer.decode_hop(code).copy() for code in given]).astype(np.float64)
    peer.reset()
    error = own_audio - audio
    power, noise = float(np.sum(np.square(audio))), float(np.sum(np.square(error)))
    result = Check(
        code_agreement=float(np.mean(own_codes == codes)),
        first_codebook_agreement=float(np.mean(own_codes[:, 0] == codes[:, 0])),
        max_error=float(np.max(np.abs(error))),
        snr_db=10 * math.log10(power / noise) if noise > 0 else None,
    )
    far = result.snr_db is not None and result.snr_db < MIN_SNR_DB
    if PEERS[peer.name].faithful and (far or result.code_agreement < MIN_AGREEMENT):
        raise RuntimeError(f"{peer.name} does not compute the model: {result}")
    return result
