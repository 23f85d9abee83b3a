"""A batch of signals as pieces to code one by one: which samples, of which item, in which chunk.

    item 0   |========== chunk 0 ==========|
                                         |========== chunk 1 ==========|
                                                                     |== chunk 2 =|
    item 1   |======= chunk 0 ======|  padding . . . . . . . . . . . . . . . . . . .

A model without chunks has one piece per item. Pieces know nothing of each other and nothing of the
padding, so an item's codes do not depend on its neighbours in the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from hopcodec.specs._language import Segments
from torch import Tensor

NO_CODE = -1  # stands where an item has no frame


class Piece(NamedTuple):
    """Samples `start` to `stop` of item `item`, the `chunk`-th of it."""

    item: int
    chunk: int
    start: int
    stop: int


class Span(NamedTuple):
    """Where the sound of an item is: samples `start` to `stop`."""

    start: int
    stop: int


def channel_mask(mask: Tensor | None, audio: Tensor) -> Tensor:
    """A padding mask `(batch, samples)` or `(batch, channels, samples)` as booleans, the latter."""
    if mask is None:
        return torch.ones_like(audio, dtype=torch.bool)
    if mask.ndim not in (2, 3) or mask.shape[0] != len(audio) or mask.shape[-1] != audio.shape[-1]:
        raise ValueError(
            f"padding_mask: expected shape ({len(audio)}, {audio.shape[-1]}) or "
            f"{tuple(audio.shape)}, got {tuple(mask.shape)}"
        )
    return by_channel(mask)


def by_channel(mask: Tensor) -> Tensor:
    """A mask of either form as booleans `(batch, channels or 1, samples)`."""
    return (mask if mask.ndim == 3 else mask[:, None]).bool()


def spans(mask: Tensor) -> list[Span]:
    """From the first to the last sample of a mask `(batch, channels, samples)`, any channel."""
    heard = mask.any(1)
    found = []
    for row in heard:
        at = row.nonzero()
        found.append(Span(int(at[0]), int(at[-1]) + 1) if len(at) else Span(0, 0))
    return found


def cut(items: Sequence[Span], segments: Segments | None) -> list[Piece]:
    """The pieces of every item; the last of an item is as short as the item leaves it."""
    pieces = []
    for item, (start, stop) in enumerate(items):
        if segments is None:
            pieces += [Piece(item, 0, start, stop)] if stop > start else []
            continue
        for chunk, begin in enumerate(range(start, stop, segments.stride)):
            pieces.append(Piece(item, chunk, begin, min(begin + segments.samples, stop)))
    return pieces


def by_length(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    """Pieces of one length can be computed together."""
    groups: dict[int, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.stop - piece.start, []).append(piece)
    return groups


def by_item(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    """Each item's pieces in the order of time."""
    groups: dict[int, list[Piece]] = {}
    for piece in sorted(pieces):
        groups.setdefault(piece.item, []).append(piece)
    return groups


def assemble_codes(
    found: Mapping[Piece, Tensor], batch: int, codebooks: int, padding: int, device: torch.device
) -> Tensor:
    """Codes `(codebooks, frames)` of each piece as one tensor `(chunks, batch, codebooks, frames)`.

    `padding` stands where there is no frame.
    """
    chunks = max((piece.chunk + 1 for piece in found), default=1)
    frames = max((codes.shape[-1] for codes in found.values()), default=0)
    shape = (chunks, batch, codebooks, frames)
    result = torch.full(shape, padding, dtype=torch.int64, device=device)
    for piece, codes in found.items():
        result[piece.chunk, piece.item, :, : codes.shape[-1]] = codes
    return result


def overlap_add(frames: Sequence[Tensor], stride: int) -> Tensor:
    """Chunks `(channels, samples)` that begin `stride` apart, faded into each other.

    Each is weighted by a triangle over the length of the first, and the sum divided by the sum of
    the triangles (`encodec/utils.py`, `_linear_overlap_add`).
    """
    first = frames[0]
    # In half precision the triangle would be 0 at its ends, and the sum of triangles as well.
    dtype = torch.promote_types(first.dtype, torch.float32)
    ramp = torch.linspace(0, 1, first.shape[-1] + 2, dtype=dtype, device=first.device)[1:-1]
    triangle = 0.5 - (ramp - 0.5).abs()
    total = max(i * stride + frame.shape[-1] for i, frame in enumerate(frames))
    audio = first.new_zeros(len(first), total, dtype=dtype)
    weight = first.new_zeros(total, dtype=dtype)
    for i, frame in enumerate(frames):
        place = slice(i * stride, i * stride + frame.shape[-1])
        fade = triangle[: frame.shape[-1]]
        audio[:, place] += frame * fade
        weight[place] += fade
    return (audio / weight).to(first.dtype)


def frame_counts(codes: Tensor, most_books: int, codebook_size: int) -> list[list[int]]:
    """Count the frames of each item in each chunk.

    Raises
    ------
    TypeError
        `codes` are not integers `(chunks, batch, codebooks, frames)`.
    ValueError
        They are no codes of this model, or `NO_CODE` lies elsewhere than behind the last frame.
    """
    if codes.ndim != 4 or codes.is_floating_point() or codes.dtype == torch.bool:
        raise TypeError(
            "audio_codes: expected integers (chunks, batch, codebooks, frames), got "
            f"{codes.dtype} {tuple(codes.shape)}"
        )
    if not 1 <= codes.shape[2] <= most_books:
        raise ValueError(f"audio_codes: expected 1 to {most_books} codebooks, got {codes.shape[2]}")
    present = codes != NO_CODE
    counts: Tensor = present[:, :, 0].sum(-1)
    expected = torch.arange(codes.shape[-1], device=codes.device) < counts[..., None]
    if not torch.equal(present, expected[:, :, None].expand_as(present)):
        raise ValueError(f"audio_codes: expected {NO_CODE} only behind the last frame of an item")
    wrong = present & ((codes < 0) | (codes >= codebook_size))
    if wrong.any():
        raise ValueError(
            f"audio_codes: expected 0 to {codebook_size - 1}, got {int(codes[wrong][0])}"
        )
    found: list[list[int]] = counts.tolist()
    return found


def join(
    audio: Mapping[Piece, Tensor], batch: int, segments: Segments | None
) -> list[Tensor | None]:
    """The audio `(channels, samples)` of each item, from its pieces; None of an empty item."""
    joined: list[Tensor | None] = [None] * batch
    for item, own in by_item(audio).items():
        chunks = [audio[piece] for piece in own]
        joined[item] = chunks[0] if segments is None else overlap_add(chunks, segments.stride)
    return joined


def place(audio: Sequence[Tensor | None], items: Sequence[Span], silence: Tensor) -> Tensor:
    """Each item's audio at its span in `silence` `(batch, channels, samples)`."""
    result = silence
    for item, (heard, (start, stop)) in enumerate(zip(audio, items, strict=True)):
        if heard is not None:
            end = min(stop, start + heard.shape[-1])
            result[item, :, start:end] = heard[:, : end - start]
    return result
