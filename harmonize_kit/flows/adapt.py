"""adapt: a saved model and cases of a new site in, a model that knows the site out."""

from __future__ import annotations

from pathlib import Path

from harmonize_kit.combat import FittedComBat
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import ConfigError
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.models import load_fitted, save
from harmonize_kit.flows.tables import TableInput


def adapt(model: Path, source: TableInput, output: Path) -> FittedComBat:
    """Learn the new sites of a table against a frozen model, and save the model that knows them.

    Raises
    ------
    ConfigError
        If the model is of a kind that cannot be adapted, or ``output`` holds something else.
    DesignError, TableError, CovariateError
        See :meth:`FittedComBat.adapt`.
    IntegrityError
        If the model was damaged or changed.
    """
    fitted, _ = load_fitted(model)
    if not isinstance(fitted, FittedComBat):
        raise ConfigError(
            f"{model}: expected a model of method combat or combat-gam, which can learn a new "
            "site; fit this kind anew with the site's cases"
        )
    if output.resolve() == model.resolve():
        raise ConfigError(f"{output} is the model itself; choose another name with -o")
    adapted = fitted.adapt(source.read(only=fitted.features))
    save(
        adapted,
        output,
        table=digest_file(source.path),
        adapted_from=model_digest(fitted),
        cases=sum(adapted.counts) - sum(fitted.counts),
    )
    return adapted
