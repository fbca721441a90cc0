"""Configurations of preprocessing: presets, aliases, and what is refused."""

from __future__ import annotations

import pytest

from harmonize_kit.config.load import load_config, parse_config, preset_names
from harmonize_kit.config.preprocess import STAGE_NAMES, PreprocessingConfig, with_stages
from harmonize_kit.errors import ConfigError


def load(name: str) -> PreprocessingConfig:
    return load_config(name, "preprocess", PreprocessingConfig)


def test_presets_are_those_that_are_promised() -> None:
    assert preset_names("preprocess") == [
        "brain-mr-glioma", "brain-mr-t1", "brats-zscore", "ct", "mr-body",
    ]  # fmt: skip
    for name in preset_names("preprocess"):
        config = load(name)
        assert PreprocessingConfig.model_validate(config.model_dump(by_alias=True)) == config
        assert all(stage in STAGE_NAMES for stage in config.stages)


def test_brats_zscore_is_what_the_earlier_pipeline_did() -> None:
    config = load("brats-zscore")
    assert config.stages == ("normalize",)
    assert config.modalities == ("t1", "t1ce", "t2", "flair")
    method = config.normalize.of("t1ce").model_dump()
    assert method == {"method": "z-score", "foreground": "nonzero", "eps": 1e-8}


def test_zscore_alone_keeps_what_the_preset_says_of_it() -> None:
    config = with_stages(load("brats-zscore"), "n4, zscore")
    assert config.stages == ("n4", "normalize")
    assert config.normalize == load("brats-zscore").normalize
    replaced = with_stages(load("ct"), "zscore").normalize.default
    assert replaced.model_dump() == {"method": "z-score", "foreground": "mask", "eps": 0.0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages: []", "stages: Tuple should have at least 1 item"),
        ("stages: [normalise]", "Did you mean 'normalize'"),
        ("stages: [n4, n4]", "each stage runs once, got 'n4' twice"),
        ("stages: [register, coregister]", "'coregister' must come before 'register'"),
        ("stages: [n4]\ntrain: split", "expected COLUMN=VALUE"),
        ("stages: [n4]\nregister: {mode: rigid}", "register.mode"),
        ("stages: [n4]\nregistration: {}", "unknown key 'registration'. Did you mean 'register'"),
        ("stages: [n4]\nmodalities: [t1]\ndrawn_on: t2", "drawn_on must be one of"),
        ("n4: {}", "stages: Field required"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("(", r"\(")):
        parse_config(text, "p.yaml", PreprocessingConfig)


def test_a_section_without_settings_has_its_defaults() -> None:
    config = parse_config("stages: [n4]\nn4:\nregister:\n", "p.yaml", PreprocessingConfig)
    assert config == PreprocessingConfig(stages=("n4",))


def test_what_was_brought_together_is_not_moved_within_the_subject_again() -> None:
    config = load("brain-mr-glioma")
    both = [config.settings_of(stage) for stage in ("coregister", "register")]
    assert [settings.model_dump()["within"] for settings in both if settings] == ["rigid", "none"]
    alone = with_stages(config, "register").settings_of("register")
    assert alone == config.registration
