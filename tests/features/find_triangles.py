"""Find the triangles of each pattern by asking PyRadiomics' compiled meshing, and print them.

Of the triangles that fit a pattern's area and volume in one cube, those are left that give the
very same bits at random places and spacings, after other cubes: what lies along its sides, and a
corner of the region. Those must be known, which sets the order. It takes about a minute.
"""

import sys
from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from radiomics import cShape

from harmonize_kit.features.triangles import CORNERS, EDGES, triangle_terms

Found = dict[int, NDArray[np.int64]]
MIDPOINTS = np.array([np.add(CORNERS[p], CORNERS[q]) for p, q in EDGES]) / 2
FACES = [[e for e in range(12) if MIDPOINTS[e, d] == side] for d in range(3) for side in (0, 1)]
# Along which axes a cube is moved, what lies before it, and whether the region's corner differs.
CASES = list(product(list(product((0, 1), repeat=3))[1:], (False, True), (False, True)))
rng = np.random.default_rng(7)


def loops_of(pattern: int) -> Iterator[list[list[int]]]:
    """Yield the ways in which the edges that a pattern cuts join to loops over the faces."""
    cut = {e for e, (p, q) in enumerate(EDGES) if (pattern >> p ^ pattern >> q) & 1}
    choices: list[list[list[list[int]]]] = []
    for one, *others in filter(None, ([e for e in face if e in cut] for face in FACES)):
        # Four cut edges join in two ways, never with the one opposite.
        mates = [e for e in others if len(others) == 1 or set(EDGES[e]) & set(EDGES[one])]
        choices.append([[[one, e], [x for x in others if x != e]] for e in mates])
    for choice in product(*choices):
        pairs = [pair for pairs in choice for pair in pairs if pair]
        loops: list[list[int]] = []
        while pairs:
            loop = list(pairs.pop())
            while step := next((pair for pair in pairs if loop[-1] in pair), None):
                pairs.remove(step)
                loop.append(step[step[0] == loop[-1]])
            loops.append(loop[:-1])
        yield loops


def triangulations(loop: list[int]) -> list[list[tuple[int, ...]]]:
    return [
        [*before, (loop[0], loop[k], loop[-1]), *after]
        for k in range(1, len(loop) - 1)
        for before in triangulations(loop[: k + 1])
        for after in triangulations(loop[k:])
    ] or [[]]


def region_of(pattern: int, axes: tuple[int, ...], around: bool, spot: bool) -> NDArray[np.bool_]:
    """Return a region with a cube of the pattern at its end."""
    region = np.full(rng.integers(2, 9, 3) * axes + 2, around)
    for k, (z, y, x) in enumerate(CORNERS):
        region[z - 2, y - 2, x - 2] = pattern >> k & 1
    region[0, 0, 0] ^= spot
    return region


def cubes_of(region: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], int, int]]:
    """Return place, pattern and side of the cubes that hold triangles."""
    corners = np.lib.stride_tricks.sliding_window_view(region, (2, 2, 2))[
        ..., *np.transpose(CORNERS)
    ]
    patterns = np.packbits(corners, axis=-1, bitorder="little")[..., 0]
    cubes = [(place, int(patterns[tuple(place)])) for place in np.argwhere(patterns % 255)]
    return [(place, 255 - p, -1) if p > 127 else (place, p, 1) for place, p in cubes]


def errors_of(sequences: Found, region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far area and volume are from PyRadiomics', at a random spacing."""
    spacing = rng.uniform(0.3, 3, 3)
    area = volume = np.zeros(1)
    for place, pattern, side in cubes_of(region):
        vertices = ((place + MIDPOINTS) * spacing)[sequences[pattern]]
        areas, volumes = triangle_terms(*vertices.transpose(2, 3, 1, 0))
        for k in range(len(areas)):
            area, volume = area + areas[k], volume + side * volumes[k]
    asked = cShape.calculate_coefficients(region, spacing)
    return np.maximum(abs(area - asked[0]), abs(volume / 6 - asked[1]))


def sequences_of(pattern: int) -> NDArray[np.int64]:
    """Return all sequences of triangles, each turned in all ways, that fit one cube: (m, n, 3)."""
    cube = region_of(pattern, (0, 0, 0), False, False)
    found: list[NDArray[np.int64]] = []
    for loops in loops_of(pattern):
        for ways in product((1, -1), repeat=len(loops)):
            cuts = [triangulations(loop[::way]) for loop, way in zip(loops, ways, strict=True)]
            for parts in product(*cuts):
                shape = np.array([triangle for part in parts for triangle in part])
                n = len(shape)
                if n < 6 and all(errors_of({pattern: shape[None]}, cube) < 1e-9 for _ in range(4)):
                    turns = np.stack([np.roll(shape, k, axis=1) for k in range(3)])
                    orders = np.array(list(permutations(range(n))))[:, None]
                    found.append(turns[list(product(range(3), repeat=n)), orders].reshape(-1, n, 3))
    return np.unique(np.concatenate(found), axis=0)


if __name__ == "__main__":
    known: Found = {}
    while unknown := set(range(1, 128)) - known.keys():
        for pattern in unknown:
            needs = [{p for _, p, _ in cubes_of(region_of(pattern, *case))} for case in CASES]
            ready = [c for c, need in zip(CASES, needs, strict=True) if need <= {*known, pattern}]
            # Only places along each axis tell how a triangle is turned.
            if {axis for axes, _, _ in ready for axis in range(3) if axes[axis]} < {0, 1, 2}:
                continue
            left = sequences_of(pattern)
            for case in ready * 30:
                left = left[errors_of(known | {pattern: left}, region_of(pattern, *case)) == 0]
            edges = "".join(f"{edge:x}" for edge in left[0].ravel())
            sys.stdout.write(f"{pattern} {edges} of {len(left)}\n")
            known[pattern] = left[:1]
