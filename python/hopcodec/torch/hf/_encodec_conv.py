"""EnCodec's convolution of `transformers`, with its last window found in integers."""

from __future__ import annotations

from transformers.models.encodec.modeling_encodec import EncodecConv1d

from torch import Tensor, nn


class ExactEncodecConv1d(EncodecConv1d):  # type: ignore[misc]
    """Pad as `EncodecConv1d` means to, or on request as it does.

    `EncodecConv1d` divides row counts as float32, which is off for more than 2**24 rows.
    """

    _float32_windows = False

    def _get_extra_padding_for_conv1d(self, hidden_states: Tensor) -> int | Tensor:
        if self._float32_windows:
            extra: Tensor = super()._get_extra_padding_for_conv1d(hidden_states)
            return extra
        stride: int = self.conv.stride[0]
        return -hidden_states.shape[-1] % stride


def exact_windows(module: nn.Module) -> None:
    """Give every `EncodecConv1d` inside `module` the class above; parameters stay the same."""
    for layer in module.modules():
        if type(layer) is EncodecConv1d:
            layer.__class__ = ExactEncodecConv1d
