"""A cohort of simulated heads: each scanned at its site and, as truth, by the reference scanner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom.anatomy import load_anatomy
from harmonize_kit.phantom.head import Head, make_head
from harmonize_kit.phantom.lesion import GROUPS
from harmonize_kit.phantom.people import SEXES, Person, draw_age
from harmonize_kit.phantom.scanner import scan

# Random streams of one subject, so that none depends on what another has drawn.
PERSON, ANATOMY, SITE_SCAN, REFERENCE_SCAN = range(4)


@dataclass(frozen=True)
class ScannedHead:
    """One case of the cohort.

    Parameters
    ----------
    id, subject, site : str
        Every subject is scanned at one site, so the id is the subject.
    age : float
        In years.
    sex, group : str
        ``F`` or ``M``; grade of the lesion, ``low`` or ``high``.
    volume : Volume
        As scanned at the site; mask 1 lesion, 2 grey matter.
    reference : Volume
        The same head scanned by the reference scanner, with that scanner's own noise: what a
        perfect harmonizer would return, up to noise.
    head : Head
        The head itself, to be scanned again elsewhere, and what was planted in its lesion.
    """

    id: str
    subject: str
    site: str
    age: float
    sex: str
    group: str
    volume: Volume
    reference: Volume
    head: Head

    @property
    def covariates(self) -> dict[str, str]:
        """Columns subject, site, age, sex, group, as text."""
        return self.head.person.columns()


def simulate_heads(config: HeadPhantomConfig | None = None, seed: int = 0) -> Iterator[ScannedHead]:
    """Yield the heads of a cohort, one at a time."""
    config = HeadPhantomConfig() if config is None else config
    for index in range(config.subjects):
        yield simulate_head(config, seed, index)


def simulate_head(config: HeadPhantomConfig, seed: int, index: int) -> ScannedHead:
    """Simulate subject ``index`` of a cohort alone.

    Its random streams come from the seed and its index, so it is the same whatever the number of
    subjects and whichever are simulated beside it, here or in another process.

    Raises
    ------
    ConfigError
        If ``index`` is not in 0 ... ``subjects`` - 1.
    """
    person = draw_person(config, seed, index)
    anatomy = load_anatomy(config.spacing)
    head = make_head(anatomy, person, config, _stream(seed, index, ANATOMY))
    scanners = {scanner.name: scanner for scanner in config.scanners}
    return ScannedHead(
        id=person.subject,
        subject=person.subject,
        site=person.site,
        age=person.age,
        sex=person.sex,
        group=person.group,
        volume=scan(head, scanners[person.site], _stream(seed, index, SITE_SCAN)),
        reference=scan(head, scanners[config.reference], _stream(seed, index, REFERENCE_SCAN)),
        head=head,
    )


def draw_person(config: HeadPhantomConfig, seed: int, index: int) -> Person:
    """Draw who subject ``index`` is: sites take turns, groups alternate within a site.

    Raises
    ------
    ConfigError
        If ``index`` is not in 0 ... ``subjects`` - 1.
    """
    if not 0 <= index < config.subjects:
        raise ConfigError(
            f"expected an index from 0 to {config.subjects - 1}, got {index}; raise subjects to "
            "simulate more"
        )
    rng = _stream(seed, index, PERSON)
    sites = len(config.scanners)
    rank = index % sites
    age = draw_age(rank, sites, config.age_range, config.confounding, rng.random())
    return Person(
        subject=f"sub-{index + 1:03d}",
        site=config.scanners[rank].name,
        age=float(age),
        sex=SEXES[rng.integers(2)],
        group=GROUPS[(index // sites) % 2],
    )


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, purpose)))
