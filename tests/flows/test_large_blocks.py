"""Blocks keep within the memory they are given, and read what is stored together once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.large import LargeConfig, count_bytes
from harmonize_kit.errors import ConfigError
from harmonize_kit.flows.large_blocks import (
    ENOUGH,
    Blocks,
    plan_blocks,
    require_room_for_estimates,
    room_for_blocks,
)


@pytest.mark.parametrize(
    ("text", "count"), [("2G", 2e9), ("2GB", 2e9), ("1.5GiB", 1.5 * 2**30), ("512m", 512e6)]
)
def test_amounts_of_memory(text: str, count: float) -> None:
    assert count_bytes(text) == count


@pytest.mark.parametrize("text", ["2", "G", "0G", "-1G", "2X", "two G"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="2G"):
        count_bytes(text)


@settings(deadline=None)
@given(
    n=st.integers(1, 20_000),
    p=st.integers(1, 300_000),
    rows=st.integers(1, 1000),
    features=st.integers(1, 5000),
    cell=st.sampled_from([8, 16, 20]),
    column=st.integers(0, 10_000),
    room=st.integers(50_000_000, 2_000_000_000),
)
def test_blocks_fit_and_hold_whole_chunks(
    n: int, p: int, rows: int, features: int, cell: int, column: int, room: int
) -> None:
    rows, features = min(rows, n), min(features, p)
    blocks = plan_blocks((n, p), (rows, features), cell=cell, column=column, room=room)
    assert 1 <= blocks.at_once <= n
    assert blocks.at_once == n or blocks.at_once % rows == 0
    assert blocks.width <= p
    taken = blocks.width * (column + min(blocks.at_once, n) * cell)
    assert taken <= max(room, ENOUGH)
    # Chunks are cut only where not even one column of them fits.
    if blocks.width < p and features * (column + rows * cell) <= room:
        assert blocks.width % features == 0
    parts = blocks.features(p)
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, p)


def test_rows_that_are_stored_together_are_read_at_once() -> None:
    """Images: all voxels of some cases; a square grid of chunks: whole columns of it."""
    images = plan_blocks((1000, 500_000), (1, 500_000), cell=8, column=500, room=10**9)
    assert images.width == 500_000
    assert 1 <= images.at_once < 1000
    square = plan_blocks((1000, 500_000), (100, 1000), cell=8, column=500, room=10**9)
    assert square == Blocks(30_000, 1000)


def test_too_little_memory_is_told_with_what_is_needed() -> None:
    with pytest.raises(ConfigError, match="one feature needs"):
        plan_blocks((10**8, 10), (10**8, 1), cell=8, column=8, room=10**8)
    with pytest.raises(ConfigError, match="2 workers; expected at least"):
        room_for_blocks(LargeConfig(memory="1G", execution=ExecutionConfig(workers=2)), 0)
    with pytest.raises(ConfigError, match="estimates of 2000000 features at 50 sites"):
        require_room_for_estimates(LargeConfig(memory="2G"), 2_000_000, 50, 3)
    assert room_for_blocks(LargeConfig(memory="2G"), 0) < 2e9
