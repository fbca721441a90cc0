"""A trained translator: generators, and what they were trained on, in two files.

``model.safetensors`` holds the averaged weights, ``model.json`` everything else: the sites, the
networks' configuration, and the digests of the slices and of the weights. No image and no subject
is in either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import IntegrityError, UnseenSiteError
from harmonize_kit.storage.whole import whole_file, write_text
from harmonize_kit.translation.cyclegan import lay_out, make_generator, make_way_back
from harmonize_kit.translation.model_document import (
    DEGRADATION,
    DOCUMENT,
    SCHEMA,
    SPACING,
    VERSION,
    WEIGHTS,
    read_model_document,
)
from harmonize_kit.translation.trainer import Trainer


@dataclass(frozen=True)
class Translator:
    """Trained generators, ready to be used.

    Parameters
    ----------
    config : GeneratorConfig
    modalities : tuple of str
        Channels of the images, in order.
    reference : str
        The site whose look images get.
    sites : tuple of str
        The other sites it was trained on.
    forwards : Module
        To the reference, from any site.
    backwards : mapping of str to Module
        From the reference to each other site.
    universal : bool
        Whether sites it was not trained on are served: with three sites and more the forward
        generator has learned what a site may look like; with two it has learned one.
    trained_on : mapping of str to plain values
        Digest of the slices, steps, seed, counts of cases by site, smallest and largest sides of
        voxels, blur and noise of sites where they were measured.
    """

    config: GeneratorConfig
    modalities: tuple[str, ...]
    reference: str
    sites: tuple[str, ...]
    forwards: nn.Module
    backwards: Mapping[str, nn.Module]
    universal: bool
    trained_on: Mapping[str, Any]

    def generator_for(self, site: str, *, to: str | None = None) -> nn.Module | None:
        """Return the generator that takes images of ``site`` to the reference, or ``to`` a site.

        None stands for images that are there already.

        Raises
        ------
        UnseenSiteError
            If it was not trained on ``site`` and serves trained sites alone, or cannot make ``to``.
        """
        target = self.reference if to is None else to
        if site == target:
            return None
        if target != self.reference:
            if site != self.reference or target not in self.backwards:
                raise UnseenSiteError(
                    f"this model takes images of any site to '{self.reference}', and of "
                    f"'{self.reference}' to {', '.join(self.sites)}; it cannot take '{site}' to "
                    f"'{target}'"
                )
            return self.backwards[target]
        if site not in self.sites and not self.universal:
            raise UnseenSiteError(
                f"this model was trained on two sites, '{self.sites[0]}' and '{self.reference}', "
                f"and knows nothing of '{site}'; train one with that site, or with three sites or "
                "more, which serves sites it has not seen"
            )
        return self.forwards


def translator_of(trainer: Trainer, modalities: Sequence[str]) -> Translator:
    """Return what a training has come to: the running mean of its generators' weights."""
    forwards, backwards = trainer.average.module.children()
    networks, store = trainer.networks, trainer.store
    spacings = [case.spacing for case in store.cases if case.spacing is not None]
    seen = {"low": np.min(spacings, axis=0), "high": np.max(spacings, axis=0)} if spacings else {}
    degraded = {
        site: found.told()
        for site in networks.others
        if (found := networks.degradation_of(site)) is not None
    }
    counts = {site: sum(case.site == site for case in store.cases) for site in store.sites}
    return Translator(
        networks.generator_config,
        tuple(modalities),
        networks.reference,
        networks.others,
        forwards.train(False),
        dict(zip(networks.others, backwards.train(False).children(), strict=True)),
        universal=len(networks.others) > 1,
        trained_on={
            "slices_sha256": store.digest,
            "cases": counts,
            "steps": trainer.step,
            "training": trainer.config.model_dump(mode="json"),
            "objective": trainer.objective.model_dump(mode="json"),
            **({SPACING: {end: sides.tolist() for end, sides in seen.items()}} if seen else {}),
            **({DEGRADATION: degraded} if degraded else {}),
        },
    )


def save_translator(translator: Translator, folder: Path) -> None:
    """Write a model folder, its document last: where it stands, the model is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{place}.{name}": weight.detach().cpu().contiguous()
        for place, network in _networks(translator).items()
        for name, weight in network.state_dict().items()
    }
    (folder / DOCUMENT).unlink(missing_ok=True)
    with whole_file(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, {"schema": SCHEMA})
        digest = digest_file(temporary)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "reference": translator.reference,
        "sites": list(translator.sites),
        "modalities": list(translator.modalities),
        "universal": translator.universal,
        "generator": translator.config.model_dump(mode="json"),
        "trained_on": dict(translator.trained_on),
        "weights_sha256": digest,
    }
    document["sha256"] = digest_value(document)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / DOCUMENT, text + "\n")


def load_translator(
    folder: Path,
    device: torch.device | None = None,
    allowed: Sequence[str] = (),
    own_generator: nn.Module | None = None,
) -> Translator:
    """Read a model folder and prove that it is what was written.

    Parameters
    ----------
    folder : Path
    device : torch.device, optional
    allowed : sequence of str
        Packages that generators of the user's own may come from.
    own_generator : Module, optional
        The generator itself, where the model was trained with one that was handed over; its copies
        get the weights.

    Raises
    ------
    ConfigError
        If there is no translator, or its generator's code was not allowed.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    """
    document = read_model_document(folder)
    try:
        config = GeneratorConfig.model_validate(document["generator"])
    except ValidationError as error:
        raise IntegrityError(
            f"{folder}: {DOCUMENT} describes a generator this version does not know ({error}); "
            "update harmonize-kit"
        ) from error
    sites = tuple(document["sites"])
    translator = Translator(
        config,
        tuple(document["modalities"]),
        document["reference"],
        sites,
        make_generator(config, allowed, own_generator),
        {site: make_way_back(config, allowed, own_generator) for site in sites},
        document["universal"],
        document["trained_on"],
    )
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for place, network in _networks(translator).items():
            own = {n.removeprefix(f"{place}."): w for n, w in tensors.items() if _is_at(n, place)}
            network.load_state_dict(own)
            network.to(device or "cpu").train(False).requires_grad_(False)
            if device is not None and device.type == "cuda":
                lay_out(network, config.dimensions, device)
    except (SafetensorError, RuntimeError) as error:
        raise IntegrityError(
            f"{folder}: {WEIGHTS} does not fit the networks of {DOCUMENT} ({error}); train anew"
        ) from error
    return translator


def _networks(translator: Translator) -> dict[str, nn.Module]:
    # By number, since the name of a site may hold anything.
    backwards = [translator.backwards[site] for site in translator.sites]
    return {"forwards": translator.forwards} | {
        f"backwards{number}": network for number, network in enumerate(backwards)
    }


def _is_at(name: str, place: str) -> bool:
    return name.startswith(f"{place}.")
