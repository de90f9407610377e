"""An experiment: a recipe's YAML with its overrides, resolved once for all of its folds and seeds."""

from dataclasses import dataclass
from pathlib import Path

from ser_plugins.training.settings import resolve, texts_as_written, values_as_written

# What stands for the fold and the seed in the resolved values until a training has its own.
_BLANKS = {"fold": "{fold}", "seed": "{seed}"}


@dataclass(frozen=True)
class Experiment:
    r"""One system under one protocol; its trainings differ in fold and seed alone.

    Attributes
    ----------
    yaml_file : Path
        The recipe's hyper-parameters.
    overrides : dict
        Values for its keys.
    resolved : dict
        The values of all keys, as :func:`~ser_plugins.training.settings.resolve` gives them, blank where they depend on
        fold and seed; see :meth:`values`.
    fold, seed : str, int
        Those of the YAML or of the overrides; None where neither has them.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.yaml"
    >>> _ = path.write_text("seed: 1\nfold: all\noutput_folder: !ref results/seed_<seed>/<fold>\n")
    >>> experiment = Experiment.of(path, {"seed": 2})
    >>> experiment.values()["output_folder"], experiment.values("spk03", 5)["output_folder"]
    ('results/seed_2/all', 'results/seed_5/spk03')
    """

    yaml_file: Path
    overrides: dict
    resolved: dict
    fold: str | None
    seed: int | None

    @classmethod
    def of(cls, yaml_file: Path, overrides: dict) -> "Experiment":
        """Resolve a YAML with overrides; paths and names in it stay text.

        Raises
        ------
        SerError
            When the file is not a YAML mapping, or an override names no key of it.
        """
        overrides = {**texts_as_written(yaml_file), **overrides}
        values = {**values_as_written(yaml_file), **overrides}
        blanks = {key: blank for key, blank in _BLANKS.items() if key in values}
        resolved = resolve(yaml_file, {**overrides, **blanks})
        return cls(yaml_file, overrides, resolved, values.get("fold"), values.get("seed"))

    def values(self, fold: str | None = None, seed: int | None = None) -> dict:
        """The values of all keys for one training; by default for the experiment's own fold and seed."""
        return _filled(self.resolved, self._place(fold, seed))

    def overrides_for(self, fold: str, seed: int) -> dict:
        """The overrides of one training."""
        return {**self.overrides, "fold": fold, "seed": seed}

    def _place(self, fold, seed) -> dict:
        place = {"fold": self.fold if fold is None else fold, "seed": self.seed if seed is None else seed}
        return {_BLANKS[key]: value for key, value in place.items()}


def _filled(value, place: dict):
    """A value whose blanks are filled; one that is nothing but a blank becomes what fills it, of that kind."""
    if isinstance(value, dict):
        return {key: _filled(item, place) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, place) for item in value]
    if not isinstance(value, str):
        return value
    if value in place:
        return place[value]
    for blank, text in place.items():
        value = value.replace(blank, str(text))
    return value
