"""A trained fold becomes a folder that loads anywhere: in plain SpeechBrain and in :mod:`ser_plugins.inference`.

The weights are those that were tested, but for the temperature of a whole protocol of classes, which divides the last
layer's and changes no decision; the YAML keeps the constructors and drops the rest (seed, paths, training), and
the card says what was measured. The folder is built beside its target, loaded once, and only then renamed.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ser_plugins.corpora.about import AboutCorpus
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.runs.evidence import is_packed, read_record
from ser_plugins.export.corpora import corpus_parts
from ser_plugins.export.destination import refuse_occupied
from ser_plugins.export.fold_choice import Chosen, choose
from ser_plugins.export.training_yaml import described
from ser_plugins.export.writing import (
    checkpoint_weights,
    encoder_weights,
    package_versions,
    precision_named,
    seal,
    write_model,
)
from ser_plugins.files import built_aside, read_json, sha256_of
from ser_plugins.inference.card_scores import CardParts
from ser_plugins.inference.loading import CARD_FILE, YAML_FILE
from ser_plugins.inference.model_card import ModelCard, ThisModel
from ser_plugins.text import READERS
from ser_plugins.whisper_weights import encoder_sha256


def export_model(
    source: str | Path,
    folder: str | Path,
    overwrite: bool = False,
    *,
    half: bool = False,
    int8: bool = False,
    measured_by: str | Path | None = None,
    strangers: str | Path | None = None,
    corpora: str | Path | None = None,
    speakers: str | Path | None = None,
) -> ModelCard:
    """Write a relocatable model folder.

    Arguments
    ---------
    source : str or Path
        A finished fold, ``results/<corpus>/<system>/<protocol>/seed_<n>/<fold>``, or the run folder above it. Of a run,
        the fold with most training utterances is taken (ties: first by name; first seed), never the best score.
    folder : str or Path
        Where to; does not exist or is empty.
    overwrite : bool
        Whether an earlier export in ``folder`` may be replaced; anything else never is.
    half : bool
        Whether to keep the weights in half precision: half the size, computed in single precision all the same.
    int8 : bool
        Whether to keep the matrices of a pretrained encoder in 8 bits, and the rest in half precision; see
        :mod:`ser_plugins.quantization`.
    measured_by : str or Path, optional
        For a training on everything (``--protocol all``), which tests nothing: the run folder of another protocol with
        the same settings, whose numbers and temperature are then those of the card, and what it has in
        ``robustness.json``.
    strangers : str or Path, optional
        For a model of several corpora: the run of ``recipes/Cross``, protocol ``loco``, with the same settings.
    corpora, speakers : str or Path, optional
        For a model of several corpora: a YAML file with name and licence of each, and a CSV that describes its
        speakers; see :func:`ser_plugins.export.corpora.corpus_parts`.

    Returns
    -------
    ModelCard
        The content of ``model.json``.

    Raises
    ------
    MissingPathError, SerError
        Nothing finished in ``source``; modules that are not ours; a ``folder`` that is not free; a ``measured_by`` or
        ``strangers`` with other settings; or what :func:`ser_plugins.export.corpora.corpus_parts` refuses.

    Example
    -------
    >>> export_model("results/nothing", "models/new")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder results/nothing; expected: a fold or run folder; remedy: check \
the path
    """
    folder = Path(folder).absolute()
    refuse_occupied(folder, overwrite)
    chosen = choose(source, measured_by)
    parts = corpus_parts(chosen, strangers, corpora, speakers)
    card = _card(chosen, precision_named(half, int8), _robustness(measured_by or source), parts)
    with built_aside(folder) as built:
        return _write(built, chosen, card)


def export_ensemble(
    source: str | Path,
    folder: str | Path,
    overwrite: bool = False,
    **options: Any,
) -> ModelCard:
    """Write every fold and seed of a run as one model, whose output is the mean of theirs; see :func:`export_model`.

    ``folder`` holds a member per fold and seed, each a model of its own, and ``model.json`` with their hashes;
    ``options`` are those of :func:`export_model`. What the
    mean is worth on unknown speakers is not measured: of every utterance most folds have seen the speaker.

    Example
    -------
    >>> export_ensemble("results/nothing", "models/new")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder results/nothing; expected: a run folder ...
    """
    source = Path(source)
    folder = Path(folder).absolute()
    refuse_occupied(folder, overwrite)
    folds = sorted(path.parent for path in source.glob("seed_*/*/results.json"))
    if len(folds) < 2:
        place = f"{source} with {len(folds)} finished folds" if source.is_dir() else f"no folder {source}"
        kind = SerError if source.is_dir() else MissingPathError
        raise kind(got=place, expected="a run folder with two or more folds or seeds", remedy="check the path")
    with built_aside(folder) as built:
        names = [f"{path.parent.name}_{path.name}" for path in folds]
        members = [export_model(path, built / name, **options) for path, name in zip(folds, names, strict=True)]
        template = members[0]
        mean = replace(
            template,
            whole_protocol=all(member.whole_protocol for member in members),
            parameters=sum(member.parameters for member in members),
            this_model=template.this_model
            and replace(template.this_model, fold=None, seed=None, epoch=None, metrics=None),
            members={name: sha256_of(built / name / CARD_FILE) for name in names},
        )
        return seal(built, mean)


def _robustness(run: str | Path) -> dict[str, Any] | None:
    """What ``scripts/robustness.py`` has left in a run folder; None where it has not."""
    if is_packed(run):
        return read_record(run).robustness
    path = Path(run) / "robustness.json"
    return read_json(path) if path.is_file() else None


def _card(chosen: Chosen, precision: str, robustness: dict[str, Any] | None, parts: CardParts) -> ModelCard:
    """The card, but for what only the built model knows."""
    record, summary = chosen.record, chosen.summary
    protocol, metrics = summary.protocol, record.metrics  # metrics: None of a training on everything
    headline = next(iter(summary.tasks.values())).scores
    return ModelCard(
        system=record.system,
        task=protocol.task,
        target=protocol.target,
        classes=protocol.classes,
        scale=protocol.scale,
        corpus=" + ".join(corpus.name for corpus in parts.corpora) or protocol.corpus,
        corpus_sha256=protocol.corpus_sha256,
        about_corpus=AboutCorpus.from_json(record.about_corpus),
        synthetic="synthetic" in protocol.corpus,
        leaking=protocol.leaks,
        transductive=protocol.transductive,
        partial=protocol.partial,
        statements=protocol.statements,
        unit_field=protocol.unit_field,
        pretrained=protocol.pretrained,
        protocol_line=summary.protocol_line,
        protocol_hash=summary.protocol_hash if chosen.whole else None,  # it stands for a whole protocol
        whole_protocol=chosen.whole,
        tested_utterances=summary.utterances,
        metrics={name: summary.metrics[name] for name in headline},
        per_class=summary.metrics.get("per_class"),
        intervals={name: None if bounds is None else list(bounds) for name, bounds in summary.intervals.items()},
        intervals_made_by=summary.intervals_made_by,
        baselines=summary.baselines,
        calibration=summary.calibration if chosen.whole else None,
        temperature=chosen.temperature,
        precision=precision,
        this_model=ThisModel(
            fold=record.fold,
            seed=record.seed,
            unit=record.protocol.unit,
            chosen=chosen.reason,
            train_utterances=record.counts.train,
            test_utterances=len(record.units),
            epoch=record.selected_epoch,
            metrics=metrics and {name: metrics[name] for name in headline},
        ),
        audit=record.audit if metrics else summary.audit,
        settings_sha256=record.settings_sha256,
        versions=record.versions,
        exported_with=package_versions(),
        robustness=robustness,
        **vars(parts),
    )


def _write(folder: Path, chosen: Chosen, card: ModelCard) -> ModelCard:
    """Fill ``folder`` with the tested weights."""
    if chosen.record.checkpoint is None:
        raise SerError(
            got=f"{chosen.folder} has no checkpoint: a classical system, seeds put together, or epochs chosen on tests",
            expected="a network",
            remedy="export a network of the recipe; of several seeds, the run that they are of, with --ensemble",
        )
    if chosen.record.protocol.normalisation == "speaker":
        raise SerError(
            got=f"{chosen.folder}: normalised by the statistics of each speaker",
            expected="a model that needs one recording only",
            remedy="train with another --normalisation",
        )
    checkpoint = chosen.folder / chosen.record.checkpoint
    description, front_end = described(chosen.folder / YAML_FILE, card.target, card.scale)
    states = {
        name: checkpoint_weights(checkpoint / f"{name}.ckpt")
        for name in description.with_weights
        if name != "compute_features"
    }
    states["classifier"] = _cooled(_own_head(states["classifier"], card.target), chosen.temperature)
    if front_end is not None:
        _refuse_other_encoder(front_end, chosen)
        states["compute_features"] = encoder_weights(front_end, checkpoint / "compute_features.ckpt")
        card = replace(card, pretrained=(front_end.pretrained,))
    reads = description.modules["embedding_model"][0] in READERS
    pieces = checkpoint_weights(checkpoint / "subwords.ckpt")["model"].numpy().tobytes() if reads else None
    return write_model(folder, description, states, card, pieces)


def _refuse_other_encoder(front_end, chosen: Chosen) -> None:
    """The folder or name of an encoder may hold other weights now than when the head was trained on what they gave."""
    described = chosen.record.settings.get("compute_features")
    (arguments, *_) = described.values() if isinstance(described, dict) else [{}]
    trained = str(arguments.get("source"))
    source_hash = f"sha256:{encoder_sha256(front_end.source, front_end.encoder_arguments['states'])}"
    if trained.startswith("sha256:") and trained != source_hash:
        raise SerError(
            got=f"{front_end.source}: an encoder with {source_hash[:19]}...",
            expected=f"{trained[:19]}..., with which {chosen.folder} was trained",
            remedy="put the encoder's own weights there again",
        )


def _cooled(state: dict, temperature: float) -> dict:
    """The head with its logits divided by ``temperature``: whoever loads the folder gets calibrated probabilities."""
    return {key: value / temperature if key.startswith("output.") else value for key, value in state.items()}


def _own_head(state: dict, target: str) -> dict:
    """Of the weights of a multi-task head, those of the corpus' own target: the model that is exported has that one."""
    prefix = f"heads.{target}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)} or state
