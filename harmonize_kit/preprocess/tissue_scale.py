"""What a division by the intensity of a tissue presumes."""

from __future__ import annotations

from harmonize_kit.errors import PreprocessingError


def require_scale(intensity: float, what: str) -> None:
    """Refuse to divide by an intensity that is not above 0.

    Raises
    ------
    PreprocessingError
        If it is 0 or below: then 0 is not where the scale of the image starts.
    """
    if intensity <= 0:
        raise PreprocessingError(
            f"expected {what} above 0 to divide by, got {intensity:.6g}; the image was shifted "
            "before: apply this method to intensities as the scanner made them"
        )
