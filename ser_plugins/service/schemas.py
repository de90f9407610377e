"""What the service answers, as types: they are shown to clients (OpenAPI), and the tests hold every reply to them."""

from typing import Any, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from ser_plugins.inference.quality import Check


class Reply(BaseModel):
    """What every reply is: no more than its fields."""

    model_config = ConfigDict(extra="forbid")


class Failure(Reply):
    """What every error looks like."""

    got: str
    expected: str
    remedy: str


class Attention(Reply):
    """Where the model looks."""

    weights: list[list[float]] | None = Field(
        description="(query, key), mean over the heads, 1 for uniform; null without attention"
    )
    duration: float = Field(description="of the recording, in s")


class Health(Reply):
    """Whether it runs, and how full it is."""

    status: str
    in_flight: int = Field(description="requests being read, waiting or judged")
    queue: int = Field(description="most of them")
    held: int = Field(description="bytes of their bodies")
    streams: int = Field(description="that are open")


class TrainedOn(Reply):
    """A corpus of the training."""

    name: str
    language: str = Field(description="ISO 639-1, or empty")


class Score(Reply):
    """What was measured on a corpus."""

    corpus: str
    score: float | None
    interval: list[float] | None = Field(description="95 %")
    classes: int = Field(description="that were to be told apart; 0 of a number")


class Facts(Reply):
    """How a model was trained and measured."""

    cautions: list[str] = Field(description="words that must stand beside every score")
    recordings: int | None = Field(description="in training")
    corpora: list[TrainedOn]
    measure: str = Field(description="UAR, a fraction, or MAE, in points of the scale")
    speakers: list[Score] = Field(description="on speakers that training lacked; empty where it was not measured")
    strangers: list[Score] = Field(description="on corpora that training lacked; empty where it was not measured")


class About(Reply):
    """What the model is, and what the service takes."""

    card: str = Field(description="in markdown")
    strangers: str = Field(description="what was measured on strangers, in one line")
    labels: list[str] = Field(description="classes, in their order; none of a model of sentiment")
    colours: dict[str, str] = Field(description="of the classes or polarities in pictures, #RRGGBB")
    text: str = Field(description="what is said in a recording: none (refused), optional or required")
    facts: Facts | None = Field(description="of a model that was loaded")
    sample_rate: int = Field(description="in Hz, that sound is converted to")
    limits: dict[str, float] = Field(description="bytes, s and numbers, as docs/service.md names them")


class Found(Reply):
    """Something out of the ordinary."""

    what: str
    found: str = Field(description="what was measured, in words")
    remedy: str


_MEASURED: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(Check).items() if name != "findings"}
Checked = create_model(
    "Checked",
    __base__=Reply,
    __doc__="What was measured, and what of it is out of the ordinary.",
    **_MEASURED,
    findings=(list[Found], ...),
)


class Progress(Reply):
    """A recording that is judged in the background."""

    id: str = Field(description="a secret: who knows it may read and delete the job")
    state: Literal["waiting", "running", "done", "failed"]
    progress: float | None = Field(description="0 to 1; null where the length is not known")
    seconds: float = Field(description="judged so far")
    error: Failure | None = Field(description="of a job that has failed")


class Judgements(NamedTuple):
    """The types of replies that depend on what the model gives.

    Arguments
    ---------
    recording, timeline, job : type of BaseModel
        Of ``/classify``, ``/timeline`` and ``/jobs``.
    """

    recording: type[BaseModel]
    timeline: type[BaseModel]
    job: type[BaseModel]


def judgements(window: type) -> Judgements:
    """The types for a model whose windows are of the class ``window``.

    Example
    -------
    >>> from ser_plugins.inference.windows import SentimentWindow
    >>> list(judgements(SentimentWindow).recording.model_fields)
    ['score', 'polarity', 'duration', 'warnings', 'check']
    """
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(window).items()}
    piece: Any = create_model("Window", __base__=Reply, __doc__="A window, from `start` to `end` in s.", **fields)
    del fields["start"], fields["end"]
    recording = create_model(
        "Recording",
        __base__=Reply,
        __doc__="A recording; null where nobody speaks.",
        **fields,
        duration=(float, Field(description="in s")),
        warnings=(list[str], Field(description="of `ser check`")),
        check=(Checked, Field(description="what `ser check` measures")),
    )
    pieces: Any = list[piece]
    timeline = create_model("Timeline", __base__=Reply, __doc__="Window after window.", windows=(pieces, ...))
    windows = (pieces | None, Field(description="of a job that is done"))
    job = create_model("Job", __base__=Progress, __doc__=Progress.__doc__, windows=windows)
    return Judgements(recording, timeline, job)
