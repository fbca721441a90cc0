"""Signal-to-noise and contrast ratios from the statistics of tissues and air."""

from __future__ import annotations

from harmonize_kit.preprocess.quality.noise import cjv, cnr, snr, snr_dietrich

TISSUES = ("csf", "gm", "wm")
Summaries = dict[str, dict[str, float]]
Metrics = dict[str, float | None]


def contrast_metrics(tissues: Summaries, air: dict[str, float] | None) -> Metrics:
    """Return cjv, cnr, snr_* and snrd_* as MRIQC forms them from its summaries.

    Parameters
    ----------
    tissues : dict of dict
        `noise.summary` of csf, gm and wm.
    air : dict, optional
        That of the air without artefacts; without it, cnr and snrd_* are None.
    """
    gm, wm = tissues["gm"], tissues["wm"]
    metrics: Metrics = {"cjv": cjv(wm["median"], gm["median"], wm["mad"], gm["mad"]), "cnr": None}
    if air is not None:
        metrics["cnr"] = cnr(wm["median"], gm["median"], air["stdv"], wm["stdv"], gm["stdv"])
    for name in TISSUES:
        one = tissues[name]
        metrics[f"snr_{name}"] = snr(one["median"], one["stdv"], int(one["n"]))
        metrics[f"snrd_{name}"] = (
            None if air is None else snr_dietrich(one["median"], air["mad"], air["stdv"])
        )
    for kind in ("snr", "snrd"):
        values = [metrics[f"{kind}_{name}"] for name in TISSUES]
        known = [value for value in values if value is not None]
        metrics[f"{kind}_total"] = sum(known) / 3.0 if len(known) == 3 else None
    return metrics
