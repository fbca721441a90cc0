"""What harmonize-kit inspect says of a model of translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harmonize_kit_cli.console import Console

ADDED = "root_mean_square_"


def say_translation(console: Console, found: Mapping[str, Any]) -> None:
    """Say what images a model changes, how, and what it learned that from."""
    back = ", ".join(found["takes_back_to"])
    served = "any site" if found["serves_any_site"] else back
    console.say(f"  translates    images of {served} to {found['reference']}")
    if back:
        console.say(f"  and back      to {back}")
    console.say(f"  modalities    {', '.join(found['modalities'])}")
    left_out = f", {found['left_out']} left out" if found.get("left_out") else ""
    console.say(f"  cases         {found['cases']}{left_out}")
    chosen = found["configuration"]
    trained_on = "slices" if "generator" in chosen else "files"
    console.say(f"  fitted on     {trained_on} of digest {found['trained_on_sha256']}")
    if "generator" in chosen:
        _say_networks(console, chosen, found)
    if "grid" in found:
        _say_grid(console, found["grid"], chosen["smooth"])
    for modality, scale in found.get("scale", {}).items():
        console.say(f"  {modality:<13} {_scale(scale)}")
    _say_sites(console, found["sites"])


def _say_networks(console: Console, chosen: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    generator, training = chosen["generator"], chosen["training"]
    # What a network of the user's own is made of, only its code can tell.
    made_of = generator["custom"] or (
        f"{generator['architecture']}, {generator['head']} head, {generator['features']} features, "
        f"{generator['blocks']} blocks"
    )
    console.say(f"  networks      {made_of}, {generator['dimensions']}-D")
    told = f"{found['steps']} steps of {training['batch']}, seed {training['seed']}"
    console.say(f"  trained       {told}")
    if found["spacing_mm"]:
        low, high = (_sides(found["spacing_mm"][end]) for end in ("low", "high"))
        console.say(f"  on voxels     of {low}{'' if low == high else f' to {high}'} mm")
    degraded: Mapping[str, Mapping[str, Sequence[float]]] = found["degradation"] or {}
    for site, measured in degraded.items():
        each = zip(found["modalities"], measured["blur_voxels"], measured["noise"], strict=True)
        told = "; ".join(
            f"{name} blurred by {blur:.2f} voxels, noise of {noise:.3g}"
            for name, blur, noise in each
        )
        console.say(f"  degradation   {site} beside {found['reference']}: {told}")


def _say_grid(console: Console, grid: Mapping[str, Any], smooth: float) -> None:
    size = " x ".join(str(length) for length in reversed(grid["shape"]))
    voxels = f"{size} voxels"
    if grid["spacing"]:
        voxels += f" of {_sides(grid['spacing'])} mm"
    where = "of the brain's bounding box" if grid["kind"] == "box" else "common to all images"
    console.say(f"  grid          {where}, {voxels}, smoothed by {smooth:g} mm")


def _sides(spacing: Sequence[float]) -> str:
    return " x ".join(f"{length:.3g}" for length in spacing)


def _scale(scale: Mapping[str, Any]) -> str:
    if "mean" in scale:
        return f"to a mean of {scale['mean']:.4g} and a standard deviation of {scale['sd']:.4g}"
    values, percentiles = scale["intensities"], scale["percentiles"]
    middle = len(values) // 2
    parts = [f"{percentiles[i]:g} % at {values[i]:.4g}" for i in (0, middle, -1)]
    return f"{len(values)} percentiles: {', '.join(parts)}"


def _say_sites(console: Console, sites: Mapping[str, Mapping[str, Any]]) -> None:
    console.say(f"  {'site':<24} cases")
    for site, about in sites.items():
        added = [
            f"{name.removeprefix(ADDED)} (RMS) "
            + ", ".join(f"{modality} {value:.3g}" for modality, value in values.items())
            for name, values in about.items()
            if name.startswith(ADDED)
        ]
        console.say(f"    {site:<22} {about['cases']:>5}    {'; '.join(added)}".rstrip())
