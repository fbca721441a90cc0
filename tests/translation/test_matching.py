"""Which slices are drawn as a pair, and that both show the same place of the head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.batches import BatchLoader, Pair  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.informative import informative_slices  # noqa: E402
from harmonize_kit.translation.matching import Drawn, match  # noqa: E402
from harmonize_kit.translation.places import places_along  # noqa: E402
from harmonize_kit.translation.site_differences import load_differences  # noqa: E402
from harmonize_kit.translation.store import (  # noqa: E402
    SlicedCase,
    SliceStore,
    StoredCase,
    open_store,
    write_store,
)
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

SIZE = 32


def head(case: str, count: int, low: int, high: int, lesion: slice | None = None) -> SlicedCase:
    """A head of slices ``low`` to ``high`` whose single modality counts its columns."""
    mask = np.zeros((count, SIZE, SIZE), dtype=bool)
    mask[low:high, 2:30, 4:28] = True
    images = np.where(mask, np.arange(1, SIZE + 1) / SIZE, 0)[:, None]
    marked = np.zeros_like(mask)
    if lesion is not None:
        marked[lesion, 8:12, 8:12] = True
    return SlicedCase(case, case[0], {}, images, mask, marked)


def store_of(folder: Path, *cases: SlicedCase) -> SliceStore:
    write_store(folder / "store", cases, (SIZE, SIZE))
    return open_store(folder / "store")


def height(case: StoredCase, number: int) -> float:
    """Return the share of the head below the middle of a slice."""
    return (float(places_along(case.box, 0, number, number + 1)[0]) + 1) / 2


def heights_apart(drawn: tuple[Drawn, Drawn]) -> NDArray[np.float64]:
    return np.array([height(*b) - height(*a) for a, b in zip(*drawn, strict=True)])


def test_slices_of_a_pair_lie_at_about_the_same_height_of_their_heads(tmp_path: Path) -> None:
    # Boxes of 64 and of 128 slices, at other places of their grids.
    store = store_of(tmp_path, head("A1", 70, 4, 68), head("B1", 150, 20, 148))
    drawn = match(store, "B", 0.5, 1).draw("A", 0, 0, 1000)
    apart = heights_apart(drawn)
    assert apart.std() == pytest.approx(1 / 32, rel=0.1)
    assert abs(apart.mean()) < 0.005
    # The first head's slices are drawn as ever: evenly.
    below = np.array([height(*one) for one in drawn[0]])
    assert np.abs(np.histogram(below, 8, (0, 1))[0] - 125).max() < 45


def test_without_it_slices_are_drawn_from_anywhere_as_they_were_before(tmp_path: Path) -> None:
    store = store_of(tmp_path, head("A1", 40, 0, 40), head("B1", 50, 5, 45), head("B2", 40, 0, 30))
    drawn = match(store, "B", 0.5, 7, same_place=False).draw("A", 3, 1, 200)
    rng = np.random.default_rng([7, 3, 1])
    numbers = {"A1": np.arange(40), "B1": np.arange(5, 45), "B2": np.arange(30)}
    expected: list[tuple[str, int, str, int]] = []
    for _ in range(200):
        rng.integers(1)
        number = int(rng.choice(numbers["A1"]))
        other = ("B1", "B2")[int(rng.choice(2, p=[0.5, 0.5]))]
        expected.append(("A1", number, other, int(rng.choice(numbers[other]))))
    found = [(a.id, n, b.id, m) for (a, n), (b, m) in zip(*drawn, strict=True)]
    assert found == expected
    assert heights_apart(drawn).std() > 0.3


def test_a_lesion_is_joined_by_a_lesion_wherever_it_lies(tmp_path: Path) -> None:
    store = store_of(
        tmp_path, head("A1", 64, 0, 64, slice(5, 10)), head("B1", 64, 0, 64, slice(30, 60))
    )
    theirs, ours = match(store, "B", 0.5, 0).draw("A", 0, 0, 400)
    pairs = [(n, m) for (_, n), (_, m) in zip(theirs, ours, strict=True)]
    lesioned = [m for n, m in pairs if 5 <= n < 10]
    assert len(lesioned) > 10
    assert min(lesioned) >= 30
    assert max(lesioned) < 60
    # Far as it is, it is the nearest there is.
    assert np.mean(lesioned) < 33
    assert not [m for n, m in pairs if not 5 <= n < 10 and 30 <= m < 60]


def batches(store: SliceStore, dimensions: int, *, same_place: bool) -> Pair:
    config = TrainingConfig(crop=16, batch=24, same_place=same_place)
    matching = match(store, "B", 0.5, 0, same_place=same_place)
    with BatchLoader(
        matching, config, 0, torch.device("cpu"), places=True, dimensions=dimensions
    ) as loader:
        return loader.batch("A", 0, 0)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pairs_are_cropped_and_mirrored_alike(tmp_path: Path, dimensions: int) -> None:
    store = store_of(tmp_path, head("A1", 64, 0, 64), head("B1", 64, 0, 64))
    theirs, ours = batches(store, dimensions, same_place=True)
    assert theirs.places is not None
    assert ours.places is not None
    # Rows and columns of the head, and which way they run, are the very same.
    torch.testing.assert_close(theirs.places[:, 1:], ours.places[:, 1:], atol=0, rtol=0)
    middle = theirs.images.shape[2] // 2
    torch.testing.assert_close(
        theirs.images.select(2, middle), ours.images.select(2, middle), atol=0, rtol=0
    )
    assert 0 < float((theirs.places[:, 0] - ours.places[:, 0]).abs().max()) / 2 < 6 / 32
    steps = theirs.images.diff(dim=-1)
    assert {bool(one) for one in (steps.flatten(1).sum(1) > 0)} == {True, False}

    theirs, ours = batches(store, dimensions, same_place=False)
    assert theirs.places is not None
    assert ours.places is not None
    assert not torch.equal(theirs.places[:, 1:], ours.places[:, 1:])


def test_a_training_says_how_its_pairs_are_drawn(tmp_path: Path) -> None:
    store = store_of(tmp_path, head("A1", 8, 0, 8), head("B1", 8, 0, 8))
    small: dict[str, Any] = {"features": 2}
    for own in (True, False):
        networks = CycleGAN(
            "AB", "B", GeneratorConfig(**small, architecture="unet", blocks=1),
            DiscriminatorConfig(**small, layers=1),
        )  # fmt: skip
        config = TrainingConfig(crop=16, same_place=own)
        trainer = Trainer(networks, store, ObjectiveConfig(), config, tmp_path / str(own))
        with trainer.loader() as loader:
            assert loader.matching.same_place == own


def lesioned(case: str, areas: dict[int, int]) -> SlicedCase:
    """A head of 12 slices of 28 x 24 voxels, some with a lesion of so many voxels."""
    given = head(case, 12, 0, 12)
    assert given.lesion is not None
    for number, area in areas.items():
        given.lesion[number].ravel()[np.flatnonzero(given.mask[number])[:area]] = True
    return given


def test_slices_are_told_apart_by_the_area_of_their_lesion(tmp_path: Path) -> None:
    largest = 28 * 24
    tip = lesioned("A1", {3: largest // 4, 4: largest // 4 - 1, 5: 2, 0: 1})
    tip.mask[0] = False
    tip.mask[0, 5, 5:60] = True
    tip.mask[11] = False
    store = store_of(tmp_path, tip, head("B1", 12, 0, 12))
    found = informative_slices(store, store.cases[0])
    # The first slice shows 27 voxels of head, less than a twelfth of 672, the last none.
    assert found.numbers.tolist() == [*range(1, 11)]
    assert {area: own.tolist() for area, own in found.lesioned.items()} == {
        -9: [5], -3: [4], -2: [3],
    }  # fmt: skip
    assert found.plain.tolist() == [1, 2, 6, 7, 8, 9, 10]
    voxels = int(tip.mask.sum())
    assert found.load == pytest.approx((2 * (largest // 4) - 1 + 2) / voxels)
    assert [found.area_of(number) for number in (3, 4, 5, 6)] == [-2, -3, -9, None]
    pool, likeness = found.like(-5)
    assert (pool.tolist(), likeness) == ([4], pytest.approx(np.exp(-2)))
    assert informative_slices(store, store.cases[1]).like(-5)[1] == 0


def test_lesions_are_joined_by_lesions_of_about_their_area(tmp_path: Path) -> None:
    areas = (4, 16, 64, 256)
    cases = [
        lesioned(f"{site}{n}", {2 * place + n: area for place, area in enumerate(areas)})
        for site in "AB"
        for n in range(2)
    ]
    store = store_of(tmp_path, *cases)
    matching = match(store, "B", 0.5, 0)
    theirs, ours = matching.draw("A", 0, 0, 300)
    shown = [
        [int((store.masks[case.first + n] == 2).sum()) for case, n in drawn]
        for drawn in (theirs, ours)
    ]
    assert shown[0] == shown[1]
    assert set(shown[0]) == {0, *areas}


def test_cases_are_matched_on_their_load_and_the_rest_is_told(tmp_path: Path) -> None:
    def case(name: str, area: int) -> SlicedCase:
        return lesioned(name, {5: area} if area else {})

    small, large = (8, 9, 10), (400, 450, 500)
    both = store_of(
        tmp_path / "both",
        *(case(f"A{n}", area) for n, area in enumerate((*small, *small, *large))),
        *(case(f"B{n}", area) for n, area in enumerate((*large, *large, *small))),
        case("B9", 0), case("A9", 0),
    )  # fmt: skip
    matching = match(both, "B", 0.5, 0)
    loads = [matching.slices[case.id].load for case in matching.cases_of("B")]
    # A small one is joined by small ones, the case without any by its like.
    assert matching.alike["A"][0, np.array(loads) * 28 * 24 * 12 > 100].sum() < 0.01
    assert matching.alike["A"][-1, -1] > 0.7
    (told,) = load_differences(matching)
    assert told.difference < 1.1
    (wide,) = load_differences(match(both, "B", 100.0, 0))
    a, b = (np.log([*x, *x, *y]).mean() for x, y in ((small, large), (large, small)))
    assert wide.difference == pytest.approx(np.exp(abs(a - b)), rel=0.01)
    assert wide.here == pytest.approx(np.exp(a) / (28 * 24 * 12), rel=0.01)

    apart = store_of(
        tmp_path / "apart",
        *(case(f"A{n}", area) for n, area in enumerate(small)),
        *(case(f"B{n}", area) for n, area in enumerate(large)),
    )
    (told,) = load_differences(match(apart, "B", 0.5, 0))
    assert told.difference == pytest.approx(50, rel=0.1)
    assert told.sentence(2) == (
        "lesion load of cases with one: typically 0.11% of the head at site 'A' and 5.4% at 'B', "
        f"though batches are matched on it, {told.difference:.3g}-fold apart (at most 2)"
    )
    none = store_of(tmp_path / "none", case("A1", 9), case("B1", 0))
    assert load_differences(match(none, "B", 0.5, 0)) == []


def test_a_grid_that_pads_all_slices_leaves_healthy_cases_their_slices(tmp_path: Path) -> None:
    write_store(
        tmp_path / "store", [head("A1", 12, 0, 12), head("B1", 12, 0, 12)], (8 * SIZE, 8 * SIZE)
    )
    matching = match(open_store(tmp_path / "store"), "B", 0.5, 0)
    assert all(len(own.numbers) == 12 for own in matching.slices.values())
    empty = head("A1", 4, 0, 4)
    empty.mask[:] = False
    with pytest.raises(ConfigError, match="case A1: its brain mask is empty; leave"):
        match(store_of(tmp_path / "empty", empty, head("B1", 4, 0, 4)), "B", 0.5, 0)
