"""What the scores are about: topics that one picture and one table hold, in the order of the page.

A metric this page does not know lands among the rest of its family, so that every score a
comparison makes is shown somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.metrics import metric_of


@dataclass(frozen=True)
class Topic:
    """A group of metrics that answer one question.

    Parameters
    ----------
    key : str
        Named by :attr:`harmonize_kit.report.metrics.Metric.topic`; prefix of its figure.
    section : str
        Section of the page it stands in.
    title : str
    reading : str
        How to read its picture, beyond what holds for every one of them.
    """

    key: str
    section: str
    title: str
    reading: str = ""


TOPICS = (
    Topic(
        "site_prediction",
        "site",
        "How well the site is predicted from all features",
        "A classifier is trained anew for each candidate and asked for the site of held-out cases.",
    ),
    Topic(
        "site_distance",
        "site",
        "How far the sites lie apart, all features together",
        "Covariates are taken out first. Nearer to what permuted sites give is better.",
    ),
    Topic(
        "site_mixing",
        "site",
        "How well cases of different sites mix",
        "Judged on what is left of the features after the covariates: people who differ between "
        "sites are no site effect.",
    ),
    Topic(
        "variance",
        "site",
        "Where the variance of a feature comes from",
        "A good candidate has less of the site and as much of each covariate as before.",
    ),
    Topic("site", "site", "Further measures of the site effect"),
    Topic(
        "site_by_feature",
        "effects",
        "Site effect, feature by feature",
        "Means, variances and whole distributions of single features compared between sites.",
    ),
    Topic(
        "prediction",
        "biology",
        "Prediction of biology from all features, in held-out cases",
        "Permutation exchanges the target within sites, so its band is what knowing the site alone "
        "gives.",
    ),
    Topic(
        "transfer",
        "biology",
        "Prediction of biology at a site the model has not seen",
        "Trained on all sites but one and tested on that one, in turn: the use a pooled study is "
        "made for.",
    ),
    Topic(
        "association",
        "biology",
        "Association with biology, feature by feature",
        "Site is held constant. More is no gain in itself: a harmonizer may have been told the "
        "covariate.",
    ),
    Topic(
        "agreement",
        "biology",
        "Agreement with the effects inside sites",
        "The effect of a covariate inside each site, pooled over sites, owes nothing to "
        "differences between sites; a harmonized table ought to show the same effect.",
    ),
    Topic("biology", "biology", "Further measures of biology"),
    Topic(
        "reliability",
        "subjects",
        "The same subject measured again",
        "Scans of one subject ought to agree wherever they were made.",
    ),
    Topic(
        "control",
        "controls",
        "Negative controls",
        "What is done to the data is known here, so it is known what a method must find.",
    ),
    Topic("image", "images", "Images before and after"),
)

_BY_KEY = {topic.key: topic for topic in TOPICS}
_REST = {"subject": "reliability"}


def topic_of(score: Score) -> Topic:
    """Return the topic of a score: its metric's, or the rest of its family."""
    family = str(score.family)
    key = metric_of(score).topic or _REST.get(family, family)
    return _BY_KEY.get(key) or Topic(key, "comparison", key.replace("_", " ").capitalize())


def by_topic(card: Scorecard) -> dict[Topic, list[Score]]:
    """Return the scores under their topics in the order of the page, what is unknown last."""
    found: dict[Topic, list[Score]] = {}
    for score in card:
        found.setdefault(topic_of(score), []).append(score)
    known = [topic for topic in TOPICS if topic in found]
    return {topic: found[topic] for topic in [*known, *(t for t in found if t not in known)]}


def columns_of(scores: list[Score]) -> list[tuple[str, str]]:
    """Return metric and target of the scores, metrics of one target together."""
    targets = list(dict.fromkeys(score.target for score in scores))
    pairs = dict.fromkeys((score.metric, score.target) for score in scores)
    return sorted(pairs, key=lambda pair: targets.index(pair[1]))
