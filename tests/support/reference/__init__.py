"""The specification of every kernel: float64 numpy, one short file each."""
