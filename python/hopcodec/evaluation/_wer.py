"""Word error rate of Whisper on the decoded audio against the transcript, in percent.

Whisper base (Radford et al. 2022, "Robust speech recognition via large-scale weak supervision")
through `faster-whisper`: int8, one beam, temperature 0, so the same audio gives the same words.
The rate over many clips is errors over words, hence each clip weighs what its transcript counts.
Read it beside the uncoded clip's: the recogniser errs too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any, Final

from hopcodec.evaluation._optional import require
from hopcodec.evaluation._signals import Pair
from hopcodec.evaluation._whisper import load_whisper

RATE_HZ: Final = 16000


def make(whisper: str | None, language: str) -> Callable[[Pair], tuple[float, float]]:
    """The score `(percent, words)` of a clip with a transcript.

    `whisper` names a faster-whisper model or a folder of one; None takes the installed weights
    of Whisper base, or else "base" from the hub. `language` is that of the transcripts.
    """
    jiwer = require("jiwer")
    model = load_whisper(whisper)

    def score(pair: Pair) -> tuple[float, float]:
        assert pair.transcript is not None
        expected = normalise_text(pair.transcript)
        heard = normalise_text(transcribe(model, pair, language))
        return word_errors(jiwer, expected, heard)

    return score


def transcribe(model: Any, pair: Pair, language: str) -> str:
    """What Whisper hears in the decoded signal.

    Unless the transcript itself has digits, numbers must be written as words, as they are spoken:
    "1800" for "eighteen hundred" is not an error of hearing.
    """
    _, audio = pair.at(RATE_HZ)
    spelled = not any(c.isdigit() for c in pair.transcript or "")
    segments, _ = model.transcribe(
        audio,
        language=language,
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        without_timestamps=True,
        suppress_tokens=[-1, *(digit_tokens(model) if spelled else ())],
    )
    return " ".join(segment.text for segment in segments)


def digit_tokens(model: Any) -> list[int]:
    """Ids of the text tokens that hold a digit."""
    vocabulary = model.hf_tokenizer.get_vocab()
    return sorted(
        number
        for token, number in vocabulary.items()
        if any(c.isdigit() for c in token) and not token.startswith("<|")
    )


def word_errors(jiwer: Any, expected: str, heard: str) -> tuple[float, float]:
    """Percent of `expected`'s words that are wrong, missing or added, and their number."""
    words = len(expected.split())
    if words == 0:
        raise ValueError("the transcript holds no words")
    found = jiwer.process_words(expected, heard)
    errors = found.substitutions + found.deletions + found.insertions
    return 100.0 * errors / words, float(words)


def normalise_text(text: str) -> str:
    """Lower-case words and digits only, one space apart: neither case nor punctuation is heard.

    >>> normalise_text("It's twenty-five, I'd SAY.")
    'its twenty five id say'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    joined = "".join(c for c in folded if c not in "'\u2019")
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in joined)
    return " ".join("".join(kept).split())
