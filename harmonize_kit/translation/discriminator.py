"""The discriminator, which tells patch by patch whether an image is of a site."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from harmonize_kit.config.translation import DiscriminatorConfig
from harmonize_kit.translation.layers import CONVOLUTION, INSTANCE_NORM, with_places
from harmonize_kit.translation.places import PLACES

WIDEST = 8
KERNEL = 4


class PatchDiscriminator(nn.Module):
    """The PatchGAN of Isola et al. (2017): 4 x 4 convolutions, one verdict a patch.

    With three stride-2 layers a verdict sees 70 x 70 voxels. It is a convolution, so that judging
    a large image is judging all of its patches; what lies beyond 70 voxels, the patient, is left to
    the generator. With spectral norm features are not normalised otherwise.

    Parameters
    ----------
    config : DiscriminatorConfig
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        n, f = config.dimensions, config.features
        inputs = config.channels + config.sees_mask + PLACES * config.coordinates
        widths = [inputs, *(f * min(2**level, WIDEST) for level in range(config.layers + 1))]
        self.stages = nn.ModuleList()
        for level, (few, many) in enumerate(pairwise(widths)):
            stride = 2 if level < config.layers else 1
            stage: list[nn.Module] = [self._convolution(few, many, stride)]
            if level and not config.spectral_norm:
                stage.append(INSTANCE_NORM[n](many))
            self.stages.append(nn.Sequential(*stage, nn.LeakyReLU(0.2)))
        self.verdict = self._convolution(widths[-1], 1, 1)

    def _convolution(self, inputs: int, outputs: int, stride: int) -> nn.Module:
        made = CONVOLUTION[self.config.dimensions](inputs, outputs, KERNEL, stride, padding=1)
        return spectral_norm(made) if self.config.spectral_norm else made

    def forward(
        self, x: Tensor, mask: Tensor | None = None, places: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return verdicts, shape (n, 1, ...), and the features of every stage.

        ``x`` has shape (n, c, ...), ``mask`` (n, 1, ...), ``places`` (n, 3, ...); mask and places
        are used where the configuration says that they are seen.

        Raises
        ------
        ConfigError
            If places are wanted and not told.
        """
        if self.config.sees_mask:
            seen = torch.ones_like(x[:, :1]) if mask is None else mask.to(x.dtype)
            x = torch.cat([x, seen], dim=1)
        if self.config.coordinates:
            x = with_places(x, places)
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.verdict(x), features


def receptive_field(config: DiscriminatorConfig) -> int:
    """Return how many voxels a side one verdict sees.

    Counted from the verdict back: every layer adds its kernel less one, times the strides before.

    Examples
    --------
    >>> receptive_field(DiscriminatorConfig())
    70
    """
    field = 1
    for stride in (1, 1, *(2 for _ in range(config.layers))):
        field = field * stride + KERNEL - stride
    return field
