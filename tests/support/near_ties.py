"""When may two encoders disagree on a code?

Float32 sums in different orders differ in the last bits, so a latent that lies between two
entries may fall to either. Such a code is excused if, by the float64 latents, the chosen entry is
as near as the best to 1e-5 relative; the later codebooks of that frame quantise another residual
and are excused with it. Anything else is a fault.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TIE = 1e-5


def excused_ties(
    codes: npt.NDArray[np.uint16],
    expected: npt.NDArray[np.integer],
    latents: npt.NDArray[np.float64],
    codebooks: npt.NDArray[np.float32],
) -> int:
    """Frames excused by the rule; AssertionError on a difference that is none.

    `codes`, `expected` (n_q, frames); `latents` float64 (dim, frames);
    `codebooks` (>= n_q, size, dim).
    """
    assert codes.shape == expected.shape
    excused = 0
    for frame in np.flatnonzero((codes != expected).any(axis=0)):
        q = int(np.flatnonzero(codes[:, frame] != expected[:, frame])[0])
        residual = latents[:, frame].copy()
        for earlier in range(q):
            residual -= codebooks[earlier, codes[earlier, frame]]
        distance = np.square(residual - codebooks[q].astype(np.float64)).sum(axis=1)
        best = distance.min()
        for name, code in (("ours", codes[q, frame]), ("theirs", expected[q, frame])):
            assert distance[code] <= best * (1 + TIE), (
                f"frame {frame}, codebook {q}: {name} is {code}, at {distance[code]:.9g}; "
                f"the best is {distance.argmin()}, at {best:.9g}"
            )
        excused += 1
    return excused
