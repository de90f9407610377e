"""What a corpus says of itself to whoever uses a model that was trained on it."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class AboutCorpus:
    """Texts about a corpus; empty where nobody has said it.

    Arguments
    ---------
    licence : str
        By its SPDX identifier where it has one.
    citation : str
        Whom to cite.
    language : str
        That is spoken, by its ISO 639-1 code.
    speech : str
        What a model of this corpus knows, as in "It knows <speech>."

    Example
    -------
    >>> about = AboutCorpus(licence="CC0-1.0", language="de")
    >>> about.to_json(), AboutCorpus.from_json(about.to_json()) == about
    ({'licence': 'CC0-1.0', 'language': 'de'}, True)
    """

    licence: str = ""
    citation: str = ""
    language: str = ""
    speech: str = ""

    def to_json(self) -> dict[str, str]:
        """What is known, by name."""
        return {name: text for name, text in asdict(self).items() if text}

    @classmethod
    def from_json(cls, texts: dict[str, str]) -> "AboutCorpus":
        """Read what :meth:`to_json` has made; other names are left out."""
        return cls(**{name: texts[name] for name in cls.__dataclass_fields__ if name in texts})
