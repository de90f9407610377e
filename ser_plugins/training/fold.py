"""One fold, one seed: audit -> an ordinary SpeechBrain experiment -> the test set opened once -> files."""

import contextlib
import dataclasses
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import speechbrain as sb
import torch
from filelock import FileLock, Timeout
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.epoch_loop import EpochCounter

from ser_plugins.corpora.audit import audit
from ser_plugins.corpora.near_duplicates import FINGERPRINTS
from ser_plugins.corpora.pretraining import pretrained_in, pretrained_key
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import predictions_files, tasks_of
from ser_plugins.evaluation.runs.fold_record import AuxiliaryRecord, Counts, FoldRecord
from ser_plugins.evaluation.runs.lockbox import seal
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.files import read_json, write_json, write_text
from ser_plugins.machine import processor
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.data import LengthSortedBatches, collate, durations, encode_targets, in_order, make_dataset
from ser_plugins.training.endings import close_experiment_log, quiet_console
from ser_plugins.training.feature_store import store_of
from ser_plugins.training.label_sets import judged_among
from ser_plugins.training.recordings import check_recordings
from ser_plugins.training.settings import differences, fingerprint, quoted, sha256
from ser_plugins.training.surroundings import surroundings
from ser_plugins.typed_json import read_noun


def run_fold(experiment, fold, seed, run_options, protocol, script=None, brain_class=EmotionBrain) -> FoldRecord:
    """Train one fold with one seed, open its test set once, and write ``predictions.csv`` and ``results.json``.

    A finished fold is returned as it is; a begun one is resumed, from the middle of an epoch if need be.

    Arguments
    ---------
    experiment : Experiment
        The recipe's hyper-parameters.
    fold, seed : str, int
        Which of its trainings.
    run_options : speechbrain.utils.run_opts.RunOptions
        Device, precision and so on.
    protocol : dict
        As the recipe's prepare function returned it; with ``sealed`` true, nothing shows a test score: see
        :mod:`ser_plugins.evaluation.runs.lockbox`.
    script : Path, optional
        The recipe's ``train.py``, copied into the experiment.
    brain_class : type
        A subclass of :class:`EmotionBrain`.

    Returns
    -------
    FoldRecord
        The content of ``results.json``.

    Raises
    ------
    SerError
        When the folder holds a run with other settings, another process trains the fold, the splits leak, or
        a recording is another than the one that was prepared.
    """
    hparams = experiment.values(fold, seed)
    folder = Path(hparams["output_folder"])
    settings = fingerprint(hparams, protocol, run_options)
    check_settings(folder, settings)
    if (folder / "results.json").is_file():
        return FoldRecord.from_json(read_json(folder / "results.json"), folder / "results.json")
    if run_options["test_only"] and not any(Path(hparams["save_folder"]).glob("CKPT*")):
        raise SerError(
            got=f"--test_only without a checkpoint in {hparams['save_folder']}",
            expected="a trained model",
            remedy="train first: leave --test_only out",
        )
    main = sb.utils.distributed.if_main_process()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        if main:
            lock.acquire()
    except Timeout:
        raise SerError(
            got=f"{folder} is being trained by another process",
            expected="one process per fold",
            remedy="wait for it, or end it; it can be resumed",
        ) from None
    try:
        if main:
            write_json(folder / "settings.json", settings)
        overrides = experiment.overrides_for(fold, seed)
        return _train_and_test(experiment.yaml_file, overrides, run_options, protocol, settings, script, brain_class)
    finally:
        close_experiment_log(folder)
        lock.release()


def check_run(run_folder: Path, settings: dict) -> None:
    """Check every fold of a run as :func:`check_settings` does: a report needs them all to be of one experiment."""
    for path in sorted(run_folder.glob("seed_*/*/settings.json")):
        check_settings(path.parent, settings)


def check_settings(folder: Path, settings: dict) -> None:
    """Raise :class:`SerError` when ``folder`` holds a run, finished or begun, with other settings."""
    if not (folder / "settings.json").is_file():
        return
    changed = differences(read_json(folder / "settings.json"), settings)
    if changed:
        raise SerError(
            got=f"{folder} was made with other settings ({changed})",
            expected="the same settings, or an empty folder",
            remedy="choose another --results_folder, or remove that folder",
        )


def _train_and_test(yaml_file, overrides, run_options, protocol, settings, script, brain_class):
    hparams = load_hyperpyyaml(Path(yaml_file).read_text(encoding="utf-8"), quoted(overrides))
    folder = Path(hparams["output_folder"])
    parts = {part: read_json(hparams[f"{part}_annotation"]) for part in ("train", "valid", "test")}
    tested = bool(parts["test"])  # all but the protocol `all` do
    claims = {key: protocol[key] for key in ("disjoint", "leaks", "data_root")}
    claims["memory"] = Path(hparams["manifest_folder"]) / FINGERPRINTS
    audit_line = audit(*parts.values(), **claims).line if tested else "nothing is held out, and nothing tested"
    for entries in parts.values():
        check_recordings(entries, protocol)
    with quiet_console() if run_options.noprogressbar else contextlib.nullcontext():
        sb.create_experiment_directory(
            folder, hyperparams_to_save=yaml_file, overrides=quoted(overrides), save_env_desc=False
        )
    if sb.utils.distributed.if_main_process():
        write_text(folder / "env.log", surroundings())
        (folder / Path(__file__).name).unlink(missing_ok=True)  # SpeechBrain archives its caller, which is this file
        if script is not None:
            shutil.copy(script, folder)

    hparams["tasks"] = tasks = tasks_of(protocol, hparams.get("auxiliary"))
    training = {
        target: task.training(encode_targets(task, target, parts["train"], hparams["train_annotation"]).values())
        for target, task in tasks.items()
    }
    estimated = "estimator" in hparams
    names = ("compute_functionals",) if estimated else ("compute_features", "embedding_model")
    models = [model for name in names for model in pretrained_in(hparams[name])]
    run_protocol = _run_protocol(protocol, hparams["normalisation"], models)
    train_and_test = _with_estimator if estimated else _with_network
    trained, outcome = train_and_test(hparams, protocol, run_options, brain_class, tested)
    if tested:
        own_target = next(iter(tasks))
        trained.predictions[own_target] = judged_among(trained.predictions[own_target], parts["test"])
    shown = tested and not protocol.get("sealed")

    unit = protocol.get("unit_field", "speaker")
    _, *auxiliary = tasks
    copies = len(hparams.get("copies") or ())
    record = FoldRecord(
        system=hparams["system"],
        fold=overrides["fold"],
        seed=overrides["seed"],
        protocol=run_protocol,
        about_corpus=protocol.get("about_corpus", {}),
        audit=audit_line,
        units={id_: fields.get(unit) for id_, fields in parts["test"].items()},
        training=training,
        counts=Counts(**{part: len(entries) for part, entries in parts.items()}, copies=copies * len(parts["train"])),
        metrics=trained.metrics() if shown else None,
        auxiliary={
            name: AuxiliaryRecord(scale=tasks[name].scale, metrics=trained.metrics(name) if shown else None)
            for name in auxiliary
        },
        **outcome,
        settings=settings,
        settings_sha256=sha256(settings),
        machine=machine(),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "speechbrain")},
            "ser_plugins": version("ser-plugins"),
        },
    )
    if sb.utils.distributed.if_main_process():
        texts = {
            name: predictions_text(trained.predictions[target], list(parts["test"]), overrides)
            for target, name in (predictions_files(tasks).items() if tested else ())
        }
        if tested and not shown:
            record = dataclasses.replace(record, sealed=seal(folder, texts))
        else:
            for name, text in texts.items():
                write_text(folder / name, text)
        record.write(folder)  # last: its presence says that the fold is finished
    return record


def _run_protocol(protocol: dict, normalisation: str, models: list[str]) -> RunProtocol:
    """How a fold is tested, from what the recipe's prepare function says and what the system chooses."""
    of_run = {
        "normalisation": normalisation,
        "transductive": normalisation == "speaker",
        **pretrained_key(models),
    }
    return read_noun(RunProtocol, {**protocol, **of_run}, _bad_protocol)


def _bad_protocol(got: str, expected: str) -> SerError:
    return SerError(
        got=f"a protocol of the recipe's prepare function: {got}",
        expected=expected,
        remedy="return the protocol that prepare_corpus writes",
    )


def _with_network(hparams, protocol, run_options, brain_class, tested):
    """Train and test as SpeechBrain does; the Brain, and what results.json says of it."""
    brain = brain_class(hparams["modules"], hparams["opt_class"], hparams, run_options, hparams["checkpointer"])

    def dataset(part):
        return dataset_of(part, hparams, protocol)

    checkpointer = hparams["checkpointer"]
    if run_options["test_only"]:
        checkpointer.recover_if_possible()  # for the history
    else:
        _fit(brain, hparams, dataset)
    rows = list(brain.history.rows)  # before evaluating, which goes back to the chosen epoch
    seconds = brain.history.seconds
    best = {} if hparams["select"] == "last" else {f"{brain.task.best}_key": f"valid_{brain.task.select}"}
    checkpoint = checkpointer.recover_if_possible(**best)
    check_selected(checkpoint, rows, _epochs(hparams, run_options), **best)
    if tested:
        brain.evaluate(in_order(dataset("test"), hparams["batch_size"]), **best)  # the only time test is opened
    return brain, {
        "history": tuple(rows),
        "epochs": hparams["number_of_epochs"],
        "selected_epoch": checkpoint.meta["epoch"],
        "checkpoint": checkpoint.path.relative_to(hparams["output_folder"]).as_posix(),
        "parameters": sum(p.numel() for p in brain.modules.parameters()),
        "wall_time_s": seconds,
        "device": str(brain.device),
    }


def dataset_of(part: str, hparams: dict, protocol: dict):
    """The dataset of ``train``, ``valid`` or ``test`` of a fold, as the built YAML says; see :func:`make_dataset`."""
    features = hparams["compute_features"]
    cache = hparams["cache_features"]
    features = features.cpu() if cache else features  # else they are the Brain's, on its device
    further = {"auxiliary": hparams.get("auxiliary"), "by_speaker": hparams["normalisation"] == "speaker"}
    further["features_folder"] = store_of(hparams, protocol).folder
    further["copies"] = (hparams.get("copies") or ()) if part == "train" else ()
    further["soft_labels"] = hparams.get("soft_labels") if part == "train" else None
    further |= {key: hparams.get(key) for key in ("transcript", "sentences")}
    return make_dataset(hparams[f"{part}_annotation"], protocol, features, cache, **further)


def _epochs(hparams, run_options) -> int | None:
    """How many epochs a whole training has; None where something else than their number ends it."""
    stopped = type(hparams["epoch_counter"]) is not EpochCounter  # such as EpochCounterWithStopper
    return None if stopped or run_options["optimizer_step_limit"] else hparams["number_of_epochs"]


def check_selected(checkpoint, rows: list, epochs: int | None, max_key=None, min_key=None) -> None:
    """Raise :class:`SerError` unless a checkpoint is that of the epoch which is to be tested.

    Arguments
    ---------
    checkpoint : speechbrain.utils.checkpoints.Checkpoint or None
        What was loaded.
    rows : list of dict
        The history: a row per epoch.
    epochs : int, optional
        Of a whole training; None: as many as there are rows.
    max_key, min_key : str, optional
        Column of the history whose best row chooses the epoch; without one, it is the last.
    """
    epoch = None if checkpoint is None else checkpoint.meta.get("epoch")
    expected = len(rows) if epochs is None else epochs
    whole = [row["epoch"] for row in rows] == list(range(1, expected + 1))
    if max_key or min_key:
        scores = [row[max_key or min_key] for row in rows]
        best = max(scores) if max_key else min(scores)
        right = epoch is not None and rows[epoch - 1][max_key or min_key] == best
    else:
        right = epoch == expected
    if not (whole and right and epoch):
        chosen = f"the best of {max_key or min_key}" if max_key or min_key else "the last"
        raise SerError(
            got=f"a history of {len(rows)} epochs and a checkpoint of epoch {epoch}",
            expected=f"{expected} epochs, and the checkpoint of {chosen}",
            remedy="train on without --test_only; where that says the same, remove the fold's folder and train anew",
        )


def _with_estimator(hparams, protocol, run_options, brain_class, tested):
    """Train and test a classical system; that, and what results.json says of it."""
    if not tested and "classifier" not in hparams:
        raise SerError(
            got="--protocol all with a classical system",
            expected="a protocol with test sets: its models are not exported",
            remedy="use a network, or a linear system that is exported as one",
        )
    from ser_plugins.training.classical import Classical  # scikit-learn, which networks need not wait for

    trained = Classical(hparams, protocol)
    trained.train_and_test(tested)
    checkpoint = trained.checkpoint and trained.checkpoint.path.relative_to(hparams["output_folder"]).as_posix()
    nothing = {"history": (), "epochs": 0, "selected_epoch": None, "checkpoint": checkpoint}
    return trained, {**nothing, "parameters": trained.parameters, "wall_time_s": trained.seconds, "device": "cpu"}


def _fit(brain, hparams, dataset):
    train = dataset("train")
    if hparams["normalisation"] != "utterance":
        # Of the training fold only. A resumed run fits the same numbers, and reads them from its checkpoint once more.
        device = "cpu" if hparams["cache_features"] else brain.device
        fit_norm(hparams["mean_var_norm"], in_order(train, hparams["batch_size"]), hparams["compute_features"], device)
        brain.modules["mean_var_norm"].to(brain.device)
    if "subwords" in brain.modules:
        with train.output_keys_as(["transcript"]):
            brain.modules["subwords"].fit(item["transcript"] for item in train)
    brain.modules["compute_features"].to(brain.device)
    brain.train_sampler = LengthSortedBatches(durations(train), hparams["batch_size"], seed=hparams["seed"])
    # A generator of its own: otherwise every new epoch of the loader would draw from the one that dropout uses, and a
    # run resumed within an epoch would draw once more than an uninterrupted one.
    loader = brain.make_dataloader(
        train,
        sb.Stage.TRAIN,
        batch_sampler=brain.train_sampler,
        collate_fn=collate,
        pin_memory=torch.device(brain.device).type == "cuda",  # else every copy to the GPU waits for it
        num_workers=hparams["num_workers"],
        generator=torch.Generator(),
    )
    valid = in_order(dataset("valid"), hparams["batch_size"]) if hparams["select"] != "last" else None
    brain.fit(hparams["epoch_counter"], loader, valid)


def fit_norm(norm, batches, compute_features, device="cpu") -> None:
    """Fit a :class:`~ser_plugins.spectrogram.ZNorm` on every frame of some batches; what has none is computed there."""

    def pairs():
        for batch in batches:
            if hasattr(batch, "frames"):
                frames, lengths = batch.frames
            else:
                waves, lengths = batch.wave
                frames = compute_features(waves.to(device), lengths.to(device)).cpu()
                lengths = compute_features.frame_counts(lengths, waves.shape[1])
            yield frames, lengths

    compute_features.to(device)
    norm.cpu().fit(pairs())


def predictions_text(predictions: dict, ids: list, overrides: dict) -> str:
    """Rows ``id, fold, seed, true, predicted ...`` in the order of the manifest, comma-separated."""
    rows = [{"id": key, "fold": overrides["fold"], "seed": overrides["seed"], **predictions[key]} for key in ids]
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.8g")


def machine() -> str:
    """Processor (or GPU) and cores, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} CPU cores"
    return f"{processor()}, {os.cpu_count()} CPU cores"
