"""What readers are shown, and what they are asked."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SIDES = ("left", "same", "right")
About = Literal["single", "pair"]


class Question(BaseModel):
    """One question about an item.

    Parameters
    ----------
    name : str
        As it stands in ratings.csv: letters, digits and underscores.
    text : str
        As the reader sees it.
    about : str
        ``single``: an image alone; ``pair``: two side by side.
    kind : str
        ``scale``: steps 1, 2, ... in order. ``choice``: answers without order. ``preference``: of
        a pair, the left one, neither or the right one.
    answers : tuple of str
        Of a scale, what each step means; of a choice, the answers; of a preference, nothing.
    hint : str
        A line beneath the question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")
    text: str = Field(min_length=1, max_length=200)
    about: About = "single"
    kind: Literal["scale", "choice", "preference"] = "scale"
    answers: tuple[str, ...] = ()
    hint: str = Field(default="", max_length=300)

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if self.kind == "preference":
            if self.about != "pair" or self.answers:
                raise ValueError(
                    f"'{self.name}': a preference is about a pair and has its own answers"
                )
            return self
        if not 2 <= len(self.answers) <= 9:
            raise ValueError(
                f"'{self.name}': expected 2 to 9 answers, one a key, got {len(self.answers)}"
            )
        if self.kind == "choice":
            self._require_words()
        return self

    def _require_words(self) -> None:
        if len({text.strip().lower() for text in self.answers}) < len(self.answers):
            raise ValueError(f"'{self.name}': expected different answers")
        odd = [text for text in self.answers if text.strip() != text or not text]
        odd += [text for text in self.answers if text.lstrip("-").isdigit() or text in SIDES]
        if odd:
            raise ValueError(
                f"'{self.name}': expected words as answers, got '{odd[0]}'; numbers are steps of a "
                f"scale, and {', '.join(SIDES)} are answers of a preference"
            )


SCALE_OF_QUALITY = ("not diagnostic", "poor", "fair", "good", "excellent")
SCALE_OF_REALISM = ("surely altered", "rather altered", "cannot tell", "rather real", "surely real")
QUESTIONS = (
    Question(
        name="quality", text="Image quality", answers=SCALE_OF_QUALITY,
        hint="Contrast, noise, sharpness and artefacts together.",
    ),
    Question(
        name="realism", text="A scan as it came from a scanner, or altered?",
        answers=SCALE_OF_REALISM, hint="Textures, edges, contrast between tissues.",
    ),
    Question(
        name="invented", text="Does anatomy or a lesion look invented or lost?", kind="choice",
        answers=("no", "yes", "unsure"), hint="If yes, say where in the comment.",
    ),
    Question(
        name="same_anatomy", text="Do both show the same anatomy?", about="pair", kind="choice",
        answers=("yes", "no", "unsure"), hint="Differences of brightness and contrast aside.",
    ),
    Question(
        name="preferred", text="Which would you rather report from?", about="pair",
        kind="preference",
    ),
)  # fmt: skip


class ReaderStudyConfig(BaseModel):
    """A reader study, before any image is seen.

    Parameters
    ----------
    cases : int, optional
        Cases of each candidate. Without it, as many as make ``items`` items.
    items : int
        Most items where ``cases`` is left out: 44 take about 20 minutes at 27 seconds each, and
        attention fades after that.
    repeat : float
        Share of the items that are shown once more, to see how far readers agree with themselves.
    pairs : bool
        Whether cases that several candidates have are shown side by side with the first one's.
    slices : int
        Of each plane.
    window : tuple of float
        Percentiles of the brain's intensities that are black and white, of each image by itself:
        MR intensities have no unit, and one window for all would tell candidates apart at once.
    seed : int
        Of cases, order, codes and sides.
    title, introduction : str
        On the page; they name no candidate.
    questions : tuple of Question
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int | None = Field(default=None, ge=1, le=500)
    items: int = Field(default=44, ge=2, le=1000)
    repeat: float = Field(default=0.1, ge=0, le=1)
    pairs: bool = True
    slices: int = Field(default=7, ge=1, le=40)
    window: tuple[float, float] = (0.5, 99.9)
    seed: int = Field(default=0, ge=0)
    title: str = Field(default="Reader study", min_length=1, max_length=80)
    introduction: str = Field(default="", max_length=2000)
    questions: tuple[Question, ...] = QUESTIONS

    @field_validator("questions")
    @classmethod
    def _named_once(cls, questions: tuple[Question, ...]) -> tuple[Question, ...]:
        repeated = [name for name, n in Counter(q.name for q in questions).items() if n > 1]
        if repeated:
            raise ValueError(f"expected different names of questions, got '{repeated[0]}' twice")
        if not any(question.about == "single" for question in questions):
            raise ValueError("expected at least one question about a single image, got none")
        return questions

    @field_validator("window")
    @classmethod
    def _rising(cls, window: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= window[0] < window[1] <= 100:
            raise ValueError(f"expected two rising percentiles from 0 to 100, got {window}")
        return window

    def about(self, what: About) -> tuple[Question, ...]:
        """Return the questions about single images, or about pairs."""
        return tuple(question for question in self.questions if question.about == what)
