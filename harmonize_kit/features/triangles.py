"""Area and volume of a region's mesh, equal to the bit to those of PyRadiomics.

PyRadiomics lays triangles through each cube of eight neighbouring voxels (marching cubes: Lorensen
& Cline 1987) and then compares all pairs of vertices, which takes minutes for a whole organ. Here
the same triangles are summed in the same order, without the pairs.

Which triangles belong to a pattern of corners was found by asking PyRadiomics' compiled meshing,
not from its source or any published table: the edges that a pattern cuts form loops; of all ways
to cut these loops into triangles, to order the triangles and to turn each, one remains that gives
PyRadiomics' area and volume to the bit at random places and spacings. (For patterns 15 and 63, a
rectangle, either diagonal does.) ``tests/features/find_triangles.py`` repeats that search;
``tests/features/test_triangles.py`` holds the table against PyRadiomics.

Equality to the bit holds where PyRadiomics was compiled to plain doubles, as on x86-64. Compilers
for ARM may fuse products and sums, which changes its last digits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# The corners of a cube, along z, y, x. Bit k of a pattern tells whether corner k is inside.
CORNERS = (
    *((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0)),
    *((1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)),
)
# The edges of a cube, by the corners they join. A vertex lies halfway along an edge.
EDGES = (
    *((0, 1), (1, 2), (2, 3), (3, 0)),
    *((4, 5), (5, 6), (6, 7), (7, 4)),
    *((0, 4), (1, 5), (2, 6), (3, 7)),
)
# For the patterns 0 to 127, four a line: three edges a triangle, edges as hexadecimal digits.
# A pattern above has the triangles of its complement, facing the other way.
TRIANGLES = """
-               083             190             183198
12a             08312a          92a029          2832a8a98
b23             b2008b          190b23          b2119b98b
3a1ba3          a1008a8ba       9033b9ba9       98aba8
478             043473          190478          194147173
12a478          34730412a       92a902478       2a9297273479
478b23          b47b24204       190478b23       47b94bb29192
3a1ba3478       ba114b10447b    4789033b9ba9    47b4b99ba
954             954083          054015          854835315
12a954          08312a954       2a5542240       2a5325354834
954b23          b2008b954       054015b23       215258b28548
3a1ba3954       549a1008a8ba    54050ba5bb03    548a58ba8
789579          309539357       780017715       157173
78957912a       12a309395357    0288258572a5    2a5253357
579789b23       579972209b27    b23018178157    21b17b157
7895793a1ba3    5705097b0a10ba0 ba003ba50078570 ba557b
65a             08365a          19065a          18319865a
165126          165126083       965906026       598582526832
b2365a          b2008b65a       190b2365a       b2119b98b65a
63b653513       08b0b50515b6    63b036065059    65969bb98
47865a          04347365a       19047865a       19414717365a
478165126       043473165126    478965906026    739479329596269
b2347865a       b47b2420465a    190b2347865a    47b94bb2919265a
47863b653513    51b5b610b47b04b 47863b036065059 65969b4797b9
a4964a          a4964a083       01aa60640       18316886461a
149124264       149124264083    024426          832824426
b23a4964a       b2008ba4964a    b2301aa60640    64161a148b2118b
964369139b63    18b081b61149641 63b036640       86468b
67a78a89a       67a0a709a073    67a1a7178018    67a1a7173
126168189678    269129679309739 078706602       273267
b2367a78a89a    207b2709767a9a7 67a1a7178018b23 b2117ba61167
896678169b63136 09167b          07870603bb60    67b
"""

# Cubes that are looked at together: what is known of them stays within a processor's cache.
BLOCK = 4096


def mesh_area_and_volume(
    region: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the area and the volume of a region's mesh, in mm2 and mm3.

    Parameters
    ----------
    region : ndarray of bool, shape (z, y, x)
        At least two voxels along each axis. The mesh is closed where the voxels of the border are
        outside.
    spacing : ndarray, shape (3,)
        Along z, y, x, in mm.
    """
    pattern = _patterns(region)
    # Only 0 and 255 hold no triangle; less one, with wrapping, they are the last two.
    cubes = np.flatnonzero((pattern - np.uint8(1)).ravel() < 254)
    first, count, steps = _triangle_table()
    kinds = pattern.ravel()[cubes]
    # The coordinates of all half steps along z, then y, then x, and where each cube's begin.
    lengths = [2 * int(size) - 1 for size in region.shape]
    halves = np.concatenate([np.arange(length) * 0.5 for length in lengths])
    coordinates = halves * np.repeat(spacing, lengths)
    begins = 2 * np.stack(np.unravel_index(cubes, pattern.shape))
    begins += np.array([[0], [lengths[0]], [lengths[0] + lengths[1]]])
    area = volume = 0.0
    for start in range(0, len(cubes), BLOCK):
        block = slice(start, start + BLOCK)
        counts = count[kinds[block]]
        first_here = np.cumsum(counts) - counts
        rows = np.arange(int(counts.sum())) + np.repeat(first[kinds[block]] - first_here, counts)
        places = steps[:, :, rows] + np.repeat(begins[:, block], counts, axis=1)
        areas, volumes = triangle_terms(*coordinates[places])
        areas[0] += area
        volumes[0] += volume
        # Summed one by one, as PyRadiomics does; np.sum would sum in pairs.
        area, volume = areas.cumsum()[-1], volumes.cumsum()[-1]
    return float(area), float(volume) / 6


def triangle_terms(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the area of triangles, and det(a, b, c), each operation in PyRadiomics' order.

    Parameters
    ----------
    a, b, c : ndarray, shape (3, n)
        The vertices, along z, y, x.
    """
    z, y, x = _cross(a, b)
    determinant = z * c[0] + y * c[1] + x * c[2]
    z, y, x = _cross(a - c, b - c)
    return 0.5 * np.sqrt(z * z + y * y + x * x), determinant


def _cross(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return (
        a[1] * b[2] - b[1] * a[2],
        a[2] * b[0] - b[2] * a[0],
        a[0] * b[1] - b[0] * a[1],
    )


def _patterns(region: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return which corners of each cube are inside; bit 4z + 2y + x is the corner at z, y, x."""
    bits = region.view(np.uint8)
    bits = bits[:, :, :-1] | bits[:, :, 1:] << np.uint8(1)
    bits = bits[:, :-1] | bits[:, 1:] << np.uint8(2)
    return bits[:-1] | bits[1:] << np.uint8(4)


@lru_cache(maxsize=1)
def _triangle_table() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and number of rows of each pattern of :func:`_patterns`, and the rows.

    The rows, shape (3, 3, rows), are the steps along z, y, x in halves of a voxel from a cube's
    corner 0 to the vertices a, b, c of a triangle.
    """
    midpoints = np.array([np.add(CORNERS[p], CORNERS[q]) for p, q in EDGES])
    counts: list[int] = []
    rows: list[list[int]] = []
    triangles_of = TRIANGLES.split()
    for bits in range(256):
        pattern = sum((bits >> 4 * z + 2 * y + x & 1) << k for k, (z, y, x) in enumerate(CORNERS))
        turned = pattern > 127
        listed = triangles_of[255 - pattern if turned else pattern].strip("-")
        edges = [int(edge, 16) for edge in listed]
        triangles = [edges[k : k + 3] for k in range(0, len(edges), 3)]
        # The other way round, each product is the exact negative.
        rows += [[b, a, c] if turned else [a, b, c] for a, b, c in triangles]
        counts.append(len(triangles))
    count = np.array(counts)
    steps = np.ascontiguousarray(midpoints[np.array(rows)].transpose(1, 2, 0))
    return np.cumsum(count) - count, count, steps
