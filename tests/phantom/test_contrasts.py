"""Several contrasts of one head: the same head, weighed differently."""

import numpy as np
import pytest

from harmonize_kit.config.phantom import DEFAULT_SCANNERS, HeadPhantomConfig
from harmonize_kit.phantom import (
    CONTRASTS,
    LESION_LABEL,
    brain_mask,
    scan,
    scan_contrasts,
    simulate_head,
)
from harmonize_kit.phantom.relaxation import RELAXATION

SCANNER = DEFAULT_SCANNERS[2]


@pytest.fixture(scope="module")
def head():
    return simulate_head(HeadPhantomConfig(subjects=1, spacing=4.0), 1, 0).head


@pytest.fixture(scope="module")
def scans(head):
    return scan_contrasts(head, SCANNER, np.random.default_rng(0))


def test_the_protocol_itself_is_the_first_contrast(head, scans):
    alone = scan(head, SCANNER, np.random.default_rng(0))
    np.testing.assert_array_equal(scans["t1"].array, alone.array)
    assert list(scans) == list(CONTRASTS)


def test_at_a_small_flip_angle_tissues_differ_by_their_density(head, scans):
    """Grey over white matter: T1 makes it darker, proton density brighter."""
    grey, white = (head.fractions[name] > 0.95 for name in ("grey", "white"))
    ratio = {name: v.array[grey].mean() / v.array[white].mean() for name, v in scans.items()}
    density = RELAXATION[SCANNER.field]["grey"].density / RELAXATION[SCANNER.field]["white"].density
    assert ratio["t1"] < 0.75
    assert ratio["t1"] < ratio["pd"] < density


def test_the_brain_holds_every_voxel_of_the_lesion_and_no_air(head, scans):
    inside = brain_mask(head)
    assert inside[head.mask == LESION_LABEL].all()
    air = np.sum(list(head.fractions.values()), axis=0) < 0.01
    assert not (inside & air).any()
    assert scans["pd"].array[inside].mean() > 5 * scans["pd"].array[air].mean()
