"""The works a comparison may rest on, each as a reference in words and as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """A work to cite, and what calls for it.

    Parameters
    ----------
    authors : tuple of str
        Family name and initials; "et al" as the last for more of them.
    title, source : str
        Source: journal, proceedings or publisher.
    year : int
    volume, pages, doi : str
    words : tuple of str
        Words in the names of candidates, or in what is told of their making, that call for it.
    metrics : tuple of str
        Parts of names of metrics that call for it.
    kind : str
        Entry type of BibTeX.
    """

    authors: tuple[str, ...]
    title: str
    source: str
    year: int
    volume: str = ""
    pages: str = ""
    doi: str = ""
    words: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    kind: str = "article"

    @property
    def short(self) -> str:
        """First author and year."""
        return f"{self.authors[0].rsplit(' ', 1)[0]} {self.year}"

    @property
    def key(self) -> str:
        """Key of its BibTeX entry: ``johnson2007adjusting``."""
        family = self.authors[0].rsplit(" ", 1)[0].split()[-1].lower()
        plain = family.translate({0xE9: "e", 0xFC: "u"})
        word = self.title.split()[0].lower()
        return f"{plain}{self.year}{''.join(letter for letter in word if letter.isalnum())}"

    @property
    def full(self) -> str:
        """Reference as a list of literature has it."""
        place = f"; {self.volume}" if self.volume else ""
        place += f":{self.pages}" if self.pages and self.volume else ""
        place += f"; {self.pages}" if self.pages and not self.volume else ""
        doi = f" doi:{self.doi}" if self.doi else ""
        authors = ", ".join(self.authors).replace(", et al", " et al")
        return f"{authors}. {self.title}. {self.source} {self.year}{place}.{doi}"

    @property
    def bibtex(self) -> str:
        """Entry of a BibTeX file; capitals of the title are kept."""
        where = {"inproceedings": "booktitle", "misc": "howpublished"}.get(self.kind, "journal")
        fields = {
            "author": " and ".join(_author(name) for name in self.authors),
            "title": f"{{{self.title}}}",
            where: self.source,
            "year": str(self.year),
            "volume": self.volume,
            "pages": self.pages.replace("-", "--"),
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{text}}}" for name, text in fields.items() if text]
        return f"@{self.kind}{{{self.key},\n" + ",\n".join(lines) + "\n}"


def _author(name: str) -> str:
    if name == "et al":
        return "others"
    family, _, initials = name.rpartition(" ")
    return f"{family}, {' '.join(f'{letter}.' for letter in initials if letter.isalpha())}"


_COMBAT = ("combat", "covbat")
_NEUROIMAGE, _NATURE_METHODS = "NeuroImage", "Nature Methods"
_JASA = "Journal of the American Statistical Association"

PYRADIOMICS = Work(
    ("van Griethuysen JJM", "et al"),
    "Computational radiomics system to decode the radiographic phenotype",
    "Cancer Research", 2017, "77", "e104-e107", "10.1158/0008-5472.CAN-17-0339",
)  # fmt: skip
NIETO = Work(
    ("Nieto N", "et al"),
    "Impact of leakage on data harmonization in machine learning pipelines in class imbalance "
    "across sites",
    "arXiv:2410.19643", 2024, kind="misc",
)  # fmt: skip
BENJAMINI = Work(
    ("Benjamini Y", "Hochberg Y"),
    "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
    "Journal of the Royal Statistical Society B", 1995, "57", "289-300",
    "10.1111/j.2517-6161.1995.tb02031.x",
)  # fmt: skip

WORKS = (
    Work(
        ("Johnson WE", "Li C", "Rabinovic A"),
        "Adjusting batch effects in microarray expression data using empirical Bayes methods",
        "Biostatistics", 2007, "8", "118-127", "10.1093/biostatistics/kxj037", words=_COMBAT,
    ),
    Work(
        ("Fortin JP", "et al"),
        "Harmonization of multi-site diffusion tensor imaging data",
        _NEUROIMAGE, 2017, "161", "149-170", "10.1016/j.neuroimage.2017.08.047", words=_COMBAT,
    ),
    Work(
        ("Fortin JP", "et al"),
        "Harmonization of cortical thickness measurements across scanners and sites",
        _NEUROIMAGE, 2018, "167", "104-120", "10.1016/j.neuroimage.2017.11.024", words=_COMBAT,
    ),
    Work(
        ("Pomponio R", "et al"),
        "Harmonization of large MRI datasets for the analysis of brain imaging patterns throughout "
        "the lifespan",
        _NEUROIMAGE, 2020, "208", "116450", "10.1016/j.neuroimage.2019.116450",
        words=("gam", "neuroharmonize"),
    ),
    Work(
        ("Beer JC", "et al"),
        "Longitudinal ComBat: a method for harmonizing longitudinal multi-scanner imaging data",
        _NEUROIMAGE, 2020, "220", "117129", "10.1016/j.neuroimage.2020.117129",
        words=("longitudinal",),
    ),
    Work(
        ("Chen AA", "et al"),
        "Mitigating site effects in covariance for machine learning in neuroimaging data",
        "Human Brain Mapping", 2022, "43", "1179-1195", "10.1002/hbm.25688", words=("covbat",),
    ),
    Work(
        ("Horng H", "et al"),
        "Generalized ComBat harmonization methods for radiomic features with multi-modal "
        "distributions and multiple batch effects",
        "Scientific Reports", 2022, "12", "4493", "10.1038/s41598-022-08412-9", words=("nested",),
    ),
    Work(
        ("Zhu JY", "Park T", "Isola P", "Efros AA"),
        "Unpaired image-to-image translation using cycle-consistent adversarial networks",
        "IEEE International Conference on Computer Vision", 2017, pages="2242-2251",
        doi="10.1109/ICCV.2017.244", words=("cyclegan",), kind="inproceedings",
    ),
    PYRADIOMICS,
    NIETO,
    BENJAMINI,
    Work(
        ("Brown MB", "Forsythe AB"),
        "Robust tests for the equality of variances",
        _JASA, 1974, "69", "364-367", "10.1080/01621459.1974.10482955",
        metrics=("brown_forsythe", "site_scale"),
    ),
    Work(
        ("Kruskal WH", "Wallis WA"),
        "Use of ranks in one-criterion variance analysis",
        _JASA, 1952, "47", "583-621", "10.1080/01621459.1952.10483441",
        metrics=("kruskal", "site_rank"),
    ),
    Work(
        ("Anderson MJ",),
        "A new method for non-parametric multivariate analysis of variance",
        "Austral Ecology", 2001, "26", "32-46", "10.1111/j.1442-9993.2001.01070.pp.x",
        metrics=("permanova",),
    ),
    Work(
        ("Székely GJ", "Rizzo ML"),
        "Energy statistics: a class of statistics based on distances",
        "Journal of Statistical Planning and Inference", 2013, "143", "1249-1272",
        "10.1016/j.jspi.2013.03.018", metrics=("energy",),
    ),
    Work(
        ("Gretton A", "Borgwardt KM", "Rasch MJ", "Schölkopf B", "Smola A"),
        "A kernel two-sample test",
        "Journal of Machine Learning Research", 2012, "13", "723-773", metrics=("mmd",),
    ),
    Work(
        ("Korsunsky I", "et al"),
        "Fast, sensitive and accurate integration of single-cell data with Harmony",
        _NATURE_METHODS, 2019, "16", "1289-1296", "10.1038/s41592-019-0619-0", metrics=("lisi",),
    ),
    Work(
        ("Büttner M", "Miao Z", "Wolf FA", "Teichmann SA", "Theis FJ"),
        "A test metric for assessing single-cell RNA-seq batch correction",
        _NATURE_METHODS, 2019, "16", "43-49", "10.1038/s41592-018-0254-1", metrics=("kbet",),
    ),
    Work(
        ("Luecken MD", "et al"),
        "Benchmarking atlas-level data integration in single-cell genomics",
        _NATURE_METHODS, 2022, "19", "41-50", "10.1038/s41592-021-01336-8",
        metrics=("asw", "silhouette", "lisi", "kbet"),
    ),
    Work(
        ("Shrout PE", "Fleiss JL"),
        "Intraclass correlations: uses in assessing rater reliability",
        "Psychological Bulletin", 1979, "86", "420-428", "10.1037/0033-2909.86.2.420",
        metrics=("icc",),
    ),
    Work(
        ("Bland JM", "Altman DG"),
        "Statistical methods for assessing agreement between two methods of clinical measurement",
        "The Lancet", 1986, "327", "307-310", "10.1016/S0140-6736(86)90837-8",
        metrics=(
            "site_bias", "site_bias_size", "planted_feature_bias", "planted_feature_bias_size",
        ),
    ),
    Work(
        ("Lin LI",),
        "A concordance correlation coefficient to evaluate reproducibility",
        "Biometrics", 1989, "45", "255-268", "10.2307/2532051",
        metrics=("ccc", "planted_feature_agreement"),
    ),
)  # fmt: skip
