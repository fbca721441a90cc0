"""The running mean of weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import nn  # noqa: E402

from harmonize_kit.translation.averaging import RunningMean, decay_at  # noqa: E402


def averaged(weights: list[float], decay: float) -> float:
    network = nn.Linear(1, 1, bias=False)
    done = [0]
    mean = RunningMean(network, decay, lambda: done[0])
    for weight in weights:
        with torch.no_grad():
            network.weight.fill_(weight)
        mean.update_parameters(network)
        done[0] += 1
    return next(mean.parameters()).item()


def test_a_short_run_forgets_where_it_began() -> None:
    # 0.995 ** 99 of the first weight would be 0.6.
    assert averaged([1.0] + [0.0] * 99, 0.995) < 1e-6
    # Weights that move evenly are followed by about a ninth of the way.
    steps = [n / 99 for n in range(100)]
    assert 0.85 < averaged(steps, 0.995) < 0.95


def test_a_long_run_averages_by_its_decay() -> None:
    assert decay_at(5000, 0.995) == 0.995
    assert decay_at(3, 0.0) == 0.0
    value, weights = 4.0, [4.0, 1.0, 3.0, 2.0]
    for n, weight in enumerate(weights[1:], start=1):
        decay = min(0.25, (1 + n) / (10 + n))
        value = decay * value + (1 - decay) * weight
    assert averaged(weights, 0.25) == pytest.approx(value, abs=1e-6)
