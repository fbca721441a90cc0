from __future__ import annotations

from pathlib import Path

import pytest

from harmonize_kit.config.execution import ClusterConfig, ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import (
    load_config,
    load_file,
    parse_config,
    preset_names,
    validate_config,
)
from harmonize_kit.errors import ConfigError
from harmonize_kit.features import FeatureExtractor


@pytest.mark.parametrize("name", preset_names("extract"))
def test_every_preset_is_what_pyradiomics_takes(name: str) -> None:
    FeatureExtractor(load_config(name, "extract", ExtractionConfig))


def test_there_are_presets_for_mr_and_ct() -> None:
    assert {"mr-default", "ct-default", "pyradiomics-default"} <= set(preset_names("extract"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setting: {binWidht: 5}", "Did you mean 'binWidth'"),
        ("imageType: {Orignal: {}}", "Did you mean 'Original'"),
        ("imageType: {LoG: {sigmas: [1]}}", "Did you mean 'sigma'"),
        ("featureClass: {glcmm: }", "Did you mean 'glcm'"),
        ("settings: {}", "Did you mean 'setting'"),
        ("setting: [1, 2]", "setting"),
        ("setting: {a: 1, a: 2}", "YAML"),
        ("a: [", "YAML"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("just text", "valid dictionary"),
        ("setting: {binWidth: .inf}", "finite"),
        ("a: &a [1]\nb: " + "[" + "*a, " * 20 + "]", "aliases"),
    ],
)
def test_a_misspelt_file_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(text, "params.yaml", ExtractionConfig)
    assert "params.yaml" in str(caught.value)


def test_every_problem_of_a_file_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("settings: {}\nimageTyp: {}", "p.yaml", ExtractionConfig)
    assert len(caught.value.problems) == 2


def test_values_are_judged_by_pyradiomics_before_any_case() -> None:
    for text in ("setting: {binWidth: -1}", "featureClass: {glcm: [Contrst]}"):
        config = parse_config(text, "p.yaml", ExtractionConfig)
        with pytest.raises(ConfigError, match="PyRadiomics refuses"):
            FeatureExtractor(config)


def test_numbers_read_as_pyradiomics_reads_them(tmp_path: Path) -> None:
    """YAML 1.2: 1e-3 is a number and 'no' is a word; a JSON file is read too."""
    path = tmp_path / "p.yaml"
    path.write_text("setting: {geometryTolerance: 1e-3}\nimageType:\n  Original:\n")
    config = load_config(str(path), "extract", ExtractionConfig)
    assert config.setting == {"geometryTolerance": 1e-3}
    assert config.imageType == {"Original": {}}
    (tmp_path / "p.json").write_text('{"setting": {"binWidth": 5}}')
    loaded = load_config(str(tmp_path / "p.json"), "extract", ExtractionConfig)
    assert loaded.parameters() == {"setting": {"binWidth": 5}}


def test_unknown_presets_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mr-default'"):
        load_config("mr-defalt", "extract", ExtractionConfig)
    with pytest.raises(ConfigError, match="no file"):
        load_config(str(tmp_path / "none.yaml"), "extract", ExtractionConfig)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0}, {"workers": "many"}, {"memory_per_worker": "lots"}, {"worker": 2},
        {"case_timeout": 0}, {"shard": "3/2"},
        {"scheduler": "tcp://a:1", "memory_per_worker": "1GB"},
        {"scheduler": "tcp://a:1", "cluster": {"slurm": {"memory": "1GB"}}},
    ],
)  # fmt: skip
def test_execution_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        validate_config(wrong, "options", ExecutionConfig)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("jobs: 2", "expected one batch system"),
        ("slurm: {memory: 1GB}\npbs: {memory: 1GB}", "got slurm and pbs"),
        ("slurm: {memory: 1GB, qeue: long}", "unknown key 'slurm.qeue'"),
        ("slurm: {cores: 2}", "slurm.memory"),
        ("slurm: {memory: 4}", "slurm.memory"),
        ("slurm: {memory: 1GB}\njobs: 0", "jobs"),
    ],
)
def test_a_cluster_file_is_checked(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_file(path, ClusterConfig)


def test_a_cluster_file_names_its_system(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("pbs: {memory: 8GB, cores: 4, worker_extra_args: [--lifetime, 1h]}\njobs: 3")
    config = load_file(path, ClusterConfig)
    name, job = config.system
    assert (name, job.cores, job.worker_extra_args) == ("pbs", 4, ("--lifetime", "1h"))
    with pytest.raises(ConfigError, match="no file"):
        load_file(tmp_path / "none.yaml", ClusterConfig)


def test_shards_share_the_cases() -> None:
    cases = list(range(10))
    parts = [cases[ExecutionConfig(shard=f"{n}/3").part] for n in (1, 2, 3)]
    assert parts[0] == [0, 3, 6, 9]
    assert sorted(case for part in parts for case in part) == cases
    assert cases[ExecutionConfig().part] == cases
