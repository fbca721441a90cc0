from __future__ import annotations

import json
from typing import Any

import pytest

from harmonize_kit.combat.agreed_design import AgreedCovariates
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.config.load import parse_config
from harmonize_kit.errors import ConfigError

PLAN = """
site: scanner
preserve: age + sex
smooth: [age]
ranges: {age: [5, 95]}
levels: {sex: [0, 1]}
knots: {age: [20, 40, 60]}
"""


def test_a_plan_is_read_and_levels_are_text() -> None:
    plan = parse_config(PLAN, "plan.yaml", FederationPlan)
    assert (plan.site, plan.levels, plan.minimum_cases) == ("scanner", {"sex": ("0", "1")}, 5)
    assert AgreedCovariates.of(plan).formula(plan).text == "sex"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"robust": True}, "robust"),
        ({"smoothing": "neuroharmonize"}, "needs the cases themselves"),
        ({"ranges": {"age": (95, 5)}}, "expected"),
        ({"levels": {"sex": ("F",)}}, "two or more"),
        ({"levels": {"sex": ("F", "F")}}, "two or more"),
        ({"levels": {"age": ("a", "b")}}, "leave one of them out"),
        ({"knots": {"age": (40, 20)}}, "upward"),
        ({"knots": {"age": (5, 20)}}, "upward, inside"),
        ({"knots": {"weight": (40,)}}, "both 'smooth' and 'ranges'"),
        ({"smooth": ("sex",)}, "both 'smooth' and 'ranges'"),
        ({"minimum_cases": 2}, "greater than or equal to 3"),
        ({"fetures": ("a",)}, "Did you mean 'features'"),
    ],
)
def test_a_plan_that_does_not_hold_together(changes: dict[str, Any], sentence: str) -> None:
    plan = parse_config(PLAN, "plan.yaml", FederationPlan).model_dump(mode="json")
    with pytest.raises(ConfigError, match=sentence):
        parse_config(json.dumps(plan | changes), "plan.json", FederationPlan)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preserve": "age + sex + dx"}, "'dx' has neither"),
        ({"preserve": "C(grade)", "ranges": {"age": (5, 95), "grade": (1, 3)}}, "needs 'levels'"),
        ({"levels": {"sex": ("0", "1"), "dx": ("0", "1")}}, "'dx' is agreed on but"),
    ],
)
def test_a_plan_names_its_covariates(changes: dict[str, Any], sentence: str) -> None:
    plan = parse_config(PLAN, "plan.yaml", FederationPlan).model_copy(update=changes)
    with pytest.raises(ConfigError, match=sentence):
        AgreedCovariates.of(plan).formula(plan)
