"""Tensor names of every published layout, mapped to those of the specs."""
