"""import-model: a model that neuroHarmonize saved in, a model of ours out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from harmonize_kit.combat import FittedComBat, import_neuroharmonize
from harmonize_kit.combat.neuroharmonize_dictionary import ModelDictionary
from harmonize_kit.combat.neuroharmonize_import import FIELDS, NAMES
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import IntegrityError
from harmonize_kit.flows.models import save
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.foreign_pickle import read_foreign_pickle
from harmonize_kit.storage.pickled_values import ARRAY_NAMES, PickledValues

logger = logging.getLogger(__name__)


def import_model(
    path: Path,
    output: Path,
    *,
    features: Sequence[str] | None = None,
    table: TableInput | None = None,
    covariates: Sequence[str] | None = None,
    site: str = "SITE",
) -> FittedComBat:
    """Read a model that neuroHarmonize saved, without running its pickle, and save it as ours.

    Parameters
    ----------
    path : Path
        What ``saveHarmonizationModel`` wrote.
    output : Path
        Model folder.
    features : sequence of str, optional
        Names of the features, which the pickle does not hold.
    table : TableInput, optional
        A table whose features, in order, are those the model was fitted on.
    covariates : sequence of str, optional
        Columns of the table neuroHarmonize was given, for models that do not name them.
    site : str
        Column of the site in tables the model will be applied to.

    Raises
    ------
    ConfigError
        If there is no such file, or names are wanting or too many; nothing is written.
    IntegrityError
        If it is not a model of neuroHarmonize, or asks for anything beyond one.
    """
    tree = read_foreign_pickle(path, NAMES | ARRAY_NAMES)
    if not isinstance(tree, dict):
        raise IntegrityError(f"{path.name}: expected a model of neuroHarmonize, got no dictionary")
    values = PickledValues(path.name)
    fields = {name: values.plain(tree[name]) for name in FIELDS if name in tree}
    if table is not None:
        held = {"SITE", site, *(str(name) for name in fields.get("Covariates") or ())}
        features = table.read(not_features=held).names
    fitted = import_neuroharmonize(
        ModelDictionary(fields, path.name), features=features, covariates=covariates, site=site
    )
    if features is None:
        logger.warning(
            "the pickle does not name its features; they are called f1 to f%d, in the order in "
            "which neuroHarmonize was given them: name them by --table or --features",
            len(fitted.features),
        )
    save(fitted, output, imported_from="neuroHarmonize", pickle=digest_file(path))
    return fitted
