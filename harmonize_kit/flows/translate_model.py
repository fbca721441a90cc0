"""What a model of translation is asked for in use, whatever it is made of."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.flows.translate_read import ReadCase


class Views(NamedTuple):
    """Which views beside the axial one are taken of an image, by networks alone."""

    flips: bool = False
    planes: bool = False


class Translated(NamedTuple):
    """What a model made of a case.

    Parameters
    ----------
    images : ndarray of float32, shape (c, z, y, x)
        In the order of the patient's axes; as they were outside of the mask.
    spread : ndarray, shape (c, z, y, x), optional
        How far several views of a voxel lie apart.
    notes : tuple of str
        What the user must know of this case.
    """

    images: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


class TranslationModel(Protocol):
    """A fitted or trained translation to a reference site."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Channels of the images, in order."""
        ...

    @property
    def reference(self) -> str:
        """The site whose look images get."""
        ...

    @property
    def asks_site(self) -> bool:
        """Whether what is done to an image depends on its site."""
        ...

    @property
    def needs_normalised(self) -> bool:
        """Whether it takes normalised images alone."""
        ...

    def require(self, to: str | None, *, sites_told: bool, views: Views) -> None:
        """Refuse what the model cannot do for any case.

        Parameters
        ----------
        to : str, optional
            The site that images are to look like, instead of the reference.
        sites_told : bool
            Whether the table says which site a case is of.
        views : Views

        Raises
        ------
        ConfigError
        """
        ...

    def translate(
        self, read: ReadCase, site: str | None, to: str | None, views: Views
    ) -> Translated | None:
        """Return the images of a case as the reference, or ``to``, would show them.

        None stands for images that are there already. ``site`` is None where it is not told.

        Raises
        ------
        UnseenSiteError
            If the model knows nothing of the site.
        CaseError
            If the images do not fit the model.
        """
        ...
