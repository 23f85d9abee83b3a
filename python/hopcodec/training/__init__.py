"""Train a codec on a folder of audio: `hopcodec train CONFIG`.

Only this package and `hopcodec.torch` import torch. `config` says what a run is, `corpus` and
`batches` where its audio comes from, `losses` and `discriminators` what it strives for, `trainer`
how a step goes, `checkpoint` how it goes on after an interruption.
"""
