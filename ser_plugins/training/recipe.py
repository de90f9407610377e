"""What every recipe's ``train.py`` does: read the command line, prepare, train the folds, report."""

import argparse
import inspect
import os
import sys
from pathlib import Path

import speechbrain as sb
import torch
from rich.console import Console

from ser_plugins.corpora.protocols import ALL
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.report import terminal_table, write_report
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.crossval import Job, run_jobs
from ser_plugins.training.fold import check_settings
from ser_plugins.training.settings import fingerprint, parse_overrides, resolve


def run_recipe(arguments, *, prepare, script, brain_class=EmotionBrain) -> None:
    """Run a recipe from its command line.

    Arguments
    ---------
    arguments : list of str
        ``hparams/x.yaml [--key value ...]``: keys of the YAML, SpeechBrain's run options, and our own ``--folds``,
        ``--seeds`` and ``--jobs``.
    prepare : callable
        The recipe's prepare function; YAML keys named like its parameters are handed to it.
    script : str
        The recipe's ``train.py``; a YAML that is not below the working directory is looked for beside it.
    brain_class : type
        A subclass of :class:`~ser_plugins.training.brain.EmotionBrain`, for those who need another one.

    Raises
    ------
    SystemExit
        2, after one line on the error stream, for anything wrong with the input.
    """
    try:
        _run(list(arguments), prepare, Path(script).resolve(), brain_class)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _run(arguments, prepare, script, brain_class):
    own, rest = _parser(script).parse_known_args(arguments)
    if not rest or rest[0].startswith("-"):
        raise SerError(got=" ".join(rest) or "no YAML", expected="a YAML first", remedy=f"python {script} --help")
    yaml_file = _find_yaml(rest[0], script)
    _, run_options, overrides = sb.parse_arguments([str(yaml_file), *rest[1:]])
    overrides = parse_overrides(overrides)
    sb.utils.distributed.ddp_init_group(run_options)
    hparams = resolve(yaml_file, overrides)

    main = sb.utils.distributed.if_main_process()
    protocol = _prepare_on_main(prepare, hparams)
    if hparams.get("n_classes") == "auto":  # as many as the labels have, which only prepare knows
        overrides["n_classes"] = hparams["n_classes"] = len(protocol["classes"])
    _check_classes(hparams.get("n_classes"), protocol, yaml_file)
    folds = _choose("fold", own.folds or str(hparams["fold"]), protocol["folds"])
    seeds = _numbers(own.seeds) if own.seeds else [hparams["seed"]]
    jobs = []
    for seed in seeds:
        for fold in folds:
            job_overrides = {**overrides, "seed": seed, "fold": fold}
            job_hparams = resolve(yaml_file, job_overrides)
            folder = Path(job_hparams["output_folder"]).resolve()
            job_arguments = (yaml_file, job_overrides, run_options, protocol, script, brain_class)
            jobs.append(Job(f"{fold} seed {seed}", folder, hparams.get("number_of_epochs", 1), job_arguments))
            check_settings(folder, fingerprint(job_hparams, protocol, run_options))

    console = Console(stderr=True, quiet=not main)
    run_folder = Path(hparams["run_folder"])
    console.print(
        f"{protocol['corpus']}, {protocol['protocol']}: {len(jobs)} trainings of {hparams['system']} into {run_folder}",
        highlight=False,
    )
    run_jobs(jobs, _workers(own.jobs, len(jobs), run_options, console), console)
    if main:
        _report(run_folder, folds, protocol)


def _parser(script):
    parser = argparse.ArgumentParser(
        prog=f"{script.parent.name}/{script.name}",
        usage="%(prog)s hparams/NAME.yaml [--KEY VALUE ...] [--folds A,B] [--seeds 1,2] [--jobs N]",
        description="Train and test folds. Every key of the YAML and every run option of SpeechBrain (--device, "
        "--precision, ...) can be given as --KEY VALUE. Finished folds are kept, begun ones resumed.",
        allow_abbrev=False,
    )
    parser.add_argument("--folds", help="comma-separated names; default: the YAML's `fold` (all)")
    parser.add_argument("--seeds", help="comma-separated numbers; default: the YAML's `seed`")
    parser.add_argument("--jobs", type=int, help="folds side by side; default: one per core on a CPU, 1 on a GPU")
    return parser


def _find_yaml(name, script) -> Path:
    for candidate in (Path(name), script.parent / name):
        if candidate.is_file():
            return candidate.resolve()
    there = ", ".join(str(path.relative_to(script.parent)) for path in sorted(script.parent.glob("hparams/*.yaml")))
    raise MissingPathError(
        got=f"no file {name}, here or in {script.parent}", expected=f"one of {there}", remedy="check the name"
    )


def _prepare_on_main(prepare, hparams) -> dict:
    """Call the recipe's prepare function on one process; hand what it returns to all."""
    options = {key: hparams[key] for key in inspect.signature(prepare).parameters if key in hparams}
    options["save_folder"] = hparams["manifest_folder"]  # the YAML's `save_folder` is where checkpoints go
    box = [None]
    if sb.utils.distributed.if_main_process():
        box[0] = prepare(**options)
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def _check_classes(n_classes, protocol, yaml_file):
    """A YAML with ``n_classes`` is for classes, as many as the corpus has; one without is for a number."""
    classes = protocol["classes"]
    if n_classes == (len(classes) or None):
        return
    number = f"no n_classes and a RegressionHead: {protocol['corpus']} has {protocol['target']} as a number"
    raise SerError(
        got=f"n_classes: {n_classes}",
        expected=f"{len(classes)}: {', '.join(classes)}" if classes else number,
        remedy=f"correct {yaml_file}",
    )


def _choose(what, wanted: str, available: list) -> list:
    if wanted == "all":
        return list(available)
    names = wanted.split(",")
    for name in names:
        if name not in available:
            raise SerError(
                got=f"{what} {name!r}", expected=f"all, or some of {', '.join(available)}", remedy="correct the option"
            )
    return names


def _numbers(text) -> list:
    if not all(part.isdecimal() for part in text.split(",")):
        raise SerError(got=f"--seeds {text}", expected="numbers such as 1,2,3", remedy="correct the option")
    return [int(part) for part in text.split(",")]


def _workers(asked, jobs, run_options, console) -> int:
    """How many processes; 0 is this one."""
    device = run_options["device"] or sb.utils.distributed.infer_device()
    if "RANK" in os.environ or jobs == 1 or (device != "cpu" and not asked):
        if device == "cpu":
            torch.set_num_threads(1)
        return 0
    if asked is not None and asked < 1:
        raise SerError(got=f"--jobs {asked}", expected="1 or more", remedy="correct the option")
    return min(asked or len(os.sched_getaffinity(0)), jobs)


def _report(run_folder, folds, protocol):
    if protocol["protocol"] == ALL:
        Console().print(f"Nothing was tested. To use it: ser export {run_folder} FOLDER --measured-by RUN")
        return
    missing = [fold for fold in protocol["folds"] if fold not in folds]
    if missing and any(not list(run_folder.glob(f"seed_*/{fold}/results.json")) for fold in missing):
        Console().print(f"Folds still to be trained before there is a report: {', '.join(missing)}")
        return
    Console().print(terminal_table(write_report(run_folder)))
    Console().print(f"Tables and figures: {run_folder}")
