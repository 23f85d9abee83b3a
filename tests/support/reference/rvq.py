"""code = argmin over e of |r - e|^2, then r -= e; or argmax of cos(r, e). Lowest index on ties."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def rvq_encode(x: Array, books: Array) -> npt.NDArray[np.int64]:
    residual, codes = x.T.copy(), np.zeros((len(books), x.shape[1]), np.int64)
    for q, book in enumerate(books):
        codes[q] = ((residual[:, None] - book) ** 2).sum(2).argmin(1)
        residual -= book[codes[q]]
    return codes


def nearest_normalised(x: Array, book: Array) -> npt.NDArray[np.intp]:
    lengths = np.maximum(np.linalg.norm(book, axis=1, keepdims=True), 1e-12)
    return (book / lengths @ x).argmax(0)
