"""Two processes that train as one: what each remembers for itself, and what they exchange."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

TESTS = Path(__file__).parents[1]
# Two processes by forking, so that torch is loaded once.
SCRIPT = """
import json, os, sys
from pathlib import Path
import torch, torch._dynamo
from torch import distributed
from harmonize_kit.config.translation import ObjectiveConfig
from harmonize_kit.translation.adversarial import (
    discriminator_loss, feature_matching_loss, generator_loss,
)
from harmonize_kit.translation.processes import average_over_processes
from harmonize_kit.translation.store import open_store
from harmonize_kit.translation.trainer import Trainer
from small_training import cyclegan, make_store, training_config

folder = Path(sys.argv[1])
torch.set_num_threads(1)


def slopes(real, fake):
    real, fake = (images.clone().requires_grad_() for images in (real, fake))
    line = torch.tensor([1.5, -0.5], requires_grad=True)
    of_real, of_fake = (line[0] * images**2 + line[1] for images in (real, fake))
    losses = [
        discriminator_loss(of_real, of_fake, "relativistic"),
        generator_loss(of_real, of_fake, "relativistic"),
        feature_matching_loss([of_real], [of_fake]),
    ]
    return [torch.autograd.grad(loss, line, retain_graph=True)[0] for loss in losses]


def trained(name, until):
    objective = ObjectiveConfig(replay=3)
    config = training_config(4, batch=1, checkpoint_every=2, samples=0)
    made = Trainer(cyclegan(), open_store(folder / "store"), objective, config, folder / name)
    made.train(until)
    return made


def work(rank):
    torch.manual_seed(0)
    images = torch.randn(2, 4, 1, 3, 3)
    alone = slopes(*images)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    own = slopes(*images[:, 2 * rank : 2 * rank + 2])
    average_over_processes(own)
    straight = trained("straight", 4)
    trained("stopped", 3)
    again = trained("stopped", 4)
    told = {
        "slopes": [(a - b).abs().max().item() / b.abs().max().item() for a, b in zip(own, alone)],
        "weights": all(
            torch.equal(weight, again.networks.state_dict()[name])
            for name, weight in straight.networks.state_dict().items()
        ),
        "kept": {
            site: [torch.equal(one.images, again.buffers[site].images), one.images.tolist()]
            for site, one in straight.buffers.items()
        },
    }
    (folder / f"{rank}.json").write_text(json.dumps(told))
    distributed.destroy_process_group()


make_store(folder / "store")
children = []
for rank in (0, 1):
    child = os.fork()
    if child == 0:
        work(rank)
        os._exit(0)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.timeout(600)
def test_two_processes_go_on_with_what_each_remembers(tmp_path: Path) -> None:
    here = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], env=here, check=True)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    for one in told:
        # Relativistic verdicts and mean features are of the batch of both.
        assert max(one["slopes"]) < 1e-5
        assert one["weights"]
        assert all(same for same, _ in one["kept"].values())
    for site in "AB":
        assert told[0]["kept"][site][1] != told[1]["kept"][site][1]
