"""What every recipe's ``train.py`` does: read the command line, prepare, train the folds, report."""

import argparse
import dataclasses
import inspect
import os
from pathlib import Path
from typing import Any, get_args, get_type_hints

import speechbrain as sb
import torch
from speechbrain.utils.run_opts import RunOptions

from ser_plugins.corpora.protocols import ALL, INNER, choose_folds
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.evaluation.runs.lockbox import is_sealed
from ser_plugins.machine import cores
from ser_plugins.plain import console
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.endings import one_line_endings
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.fold import check_run, run_fold
from ser_plugins.training.launch.local import Job
from ser_plugins.training.launch.options import add_launcher_options, choose_launcher
from ser_plugins.training.launch.run_jobs import run_jobs
from ser_plugins.training.precompute import compute_ahead
from ser_plugins.training.preflight import SEED_LIMIT, check_keys, rehearse
from ser_plugins.training.settings import check_names, fingerprint, read_value, resolve, texts_as_written
from ser_plugins.training.systems import BASE, read_systems, with_system


def run_recipe(arguments, *, prepare, script, brain_class=EmotionBrain) -> None:
    """Run a recipe from its command line.

    Arguments
    ---------
    arguments : list of str
        ``hparams/x.yaml [--key value ...]``: keys of the YAML, SpeechBrain's run options, and our own ``--seeds``
        and ``--jobs``.
    prepare : callable
        The recipe's prepare function; YAML keys named like its parameters are handed to it.
    script : str
        The recipe's ``train.py``; a YAML that is not below the working directory is looked for beside it.
    brain_class : type
        A subclass of :class:`~ser_plugins.training.brain.EmotionBrain`, for those who need another one.

    Raises
    ------
    SystemExit
        130 for Ctrl-C, and 2, after one line on the error stream, for anything wrong with the input.
    """
    with one_line_endings():
        _run(list(arguments), prepare, Path(script).resolve(), brain_class)


def _run(arguments, prepare, script, brain_class):
    options, rest = _parser(script).parse_known_args(arguments)
    if not rest or rest[0].startswith("-"):
        raise SerError(got=" ".join(rest) or "no YAML", expected="a YAML first", remedy=f"python {script} --help")
    yaml_file = find_yaml(rest[0], script)
    run_options, overrides = parse_options([yaml_file], rest[1:])
    overrides = with_system(yaml_file, overrides, script)
    sb.utils.distributed.ddp_init_group(run_options)
    experiment = Experiment.of(yaml_file, overrides)
    plan = plan_system(experiment, run_options, options, prepare=prepare, script=script, brain_class=brain_class)
    run_plans([plan], options, run_options)
    if sb.utils.distributed.if_main_process():
        report(plan)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The trainings of one system: where its run goes, what prepare said, and the jobs.

    A run that is put together from folds of others has no jobs, and no experiment of its own.
    """

    system: str
    run_folder: Path
    protocol: dict
    jobs: list = dataclasses.field(default_factory=list)
    experiment: Experiment | None = None

    @property
    def missing(self) -> list:
        """Folds of the protocol that a seed, begun now or before, lacks; a report needs them all."""
        seeds = {job.folder.parent for job in self.jobs} | set(self.run_folder.resolve().glob("seed_*"))
        return [
            fold
            for fold in self.protocol["folds"]
            if not all((seed / fold / "results.json").is_file() for seed in seeds)
        ]

    @property
    def why_no_report(self) -> str:
        """What stands in the way of a report; empty when nothing does."""
        if self.protocol["protocol"] == ALL:
            return f"nothing was tested. To use it: ser export {self.run_folder} FOLDER --measured-by RUN"
        if self.protocol["protocol"] in INNER:
            return "inner validation is done. It is for choosing (the recipe's nested.py), and never a result."
        if self.missing:
            return f"folds still to be trained before there is a report: {', '.join(self.missing)}"
        if is_sealed(self.run_folder):
            return f"sealed. When everything is chosen: ser report {self.run_folder} --unseal"
        return ""


def parse_options(yaml_files, options) -> tuple:
    """SpeechBrain's run options, and the overrides of keys of some YAMLs as a dictionary; the last one wins.

    Text stays as it was typed where the YAML has text; all else is read as YAML.

    Raises
    ------
    SerError
        An option that is neither a key of any of the YAMLs nor one of SpeechBrain's; a value of another kind.
    """
    keys = {key: value for path in reversed(yaml_files) for key, value in resolve(path, texts_as_written(path)).items()}
    run_arguments = []
    typed = {}
    for key, texts in _groups(options):
        if key in RunOptions():
            run_arguments += [f"--{key}", *texts]
        else:
            typed[key] = " ".join(texts) if texts else None
    check_names(typed, keys, " or ".join(path.name for path in yaml_files[:3]))
    overrides = {key: read_value(key, text, keys[key]) for key, text in typed.items()}
    _, run_options, surplus = sb.parse_arguments([str(yaml_files[0]), *run_arguments])
    if surplus:
        raise SerError(got=surplus, expected="a flag without a value", remedy="correct the options")
    run_options = dataclasses.replace(run_options, **_whole_numbers(run_options))
    if run_options["debug"]:
        raise SerError(
            got="--debug, which leaves recordings out",
            expected="whole folds: each is tested once",
            remedy="--fold ONE --number_of_epochs 1",
        )
    # In a terminal the live lines are those of all trainings: SpeechBrain's own would tear them up.
    return without_bars(run_options) if console(stderr=True).is_terminal else run_options, overrides


def without_bars(run_options) -> RunOptions:
    """The run options with ``--noprogressbar``; the Brain takes what counts as given alone."""
    given = {*run_options.overridden_args, "noprogressbar"}
    return dataclasses.replace(run_options, noprogressbar=True, overridden_args=given)


def _whole_numbers(run_options) -> dict:
    """Options that are numbers or None, which SpeechBrain's parser leaves as text, as the numbers they say."""
    numbers = {}
    for name, kind in get_type_hints(RunOptions).items():
        text = run_options[name]
        if int in get_args(kind) and isinstance(text, str):
            numbers[name] = read_value(name, text, 1)
            if not isinstance(numbers[name], int) or numbers[name] < 1:
                raise SerError(got=f"--{name} {text}", expected="a whole number from 1 on", remedy="correct the option")
    return numbers


def _groups(options):
    """``--key value``, ``--key=value`` and ``--key`` as pairs of the key and its texts."""
    groups = []
    for option in options:
        if option.startswith("--"):
            key, equals, text = option[2:].partition("=")
            groups.append((key, [text] if equals else []))
        elif groups:
            groups[-1][1].append(option)
        else:
            raise SerError(got=option, expected="--KEY VALUE", remedy="correct the option")
    return groups


def plan_system(experiment, run_options, options, *, prepare, script, brain_class=EmotionBrain) -> Plan:
    """Prepare the corpus and list the trainings, refusing folders that hold a run with other settings.

    Arguments
    ---------
    experiment : Experiment
        The system.
    run_options : speechbrain.utils.run_opts.RunOptions
        Device, precision and so on.
    options : argparse.Namespace
        ``folds`` and ``seeds``, comma-separated or None; ``sealed``: whether test scores stay unread; ``quiet``: no
        progress.
    prepare, script, brain_class
        See :func:`run_recipe`.
    """
    if options.quiet:
        run_options = without_bars(run_options)
    check_keys(experiment)
    hparams = experiment.values()
    protocol = _prepare_on_main(prepare, hparams)
    protocol = {**protocol, "sealed": options.sealed or is_sealed(hparams["run_folder"])}  # once sealed, all of it is
    if hparams.get("n_classes") == "auto":  # as many as the labels have, which only prepare knows
        experiment = Experiment.of(
            experiment.yaml_file, {**experiment.overrides, "n_classes": len(protocol["classes"])}
        )
        hparams = experiment.values()
    _check_classes(hparams.get("n_classes"), protocol, experiment.yaml_file)
    if brain_class.compute_forward is EmotionBrain.compute_forward:  # else only its author knows what goes where
        rehearse(experiment, tasks_of(protocol, hparams.get("auxiliary")))
    run_folder = Path(hparams["run_folder"])
    check_run(run_folder, fingerprint(hparams, protocol, run_options))
    seeds = _seeds(options.seeds) if options.seeds is not None else [hparams["seed"]]
    jobs = [
        Job(
            f"{hparams['system']} {fold} seed {seed}",
            Path(experiment.values(fold, seed)["output_folder"]).resolve(),
            hparams.get("number_of_epochs", 1),
            run_fold,
            (experiment, fold, seed, run_options, protocol, script, brain_class),
        )
        for seed in seeds
        for fold in choose_folds(str(hparams["fold"]), protocol["folds"])
    ]
    return Plan(hparams["system"], run_folder, protocol, jobs, experiment)


def run_plans(plans, options, run_options) -> None:
    """Run the jobs of all plans, in the order given, with the launcher that the options ask for."""
    screen = console(stderr=True, quiet=options.quiet or not sb.utils.distributed.if_main_process())
    jobs = [job for plan in plans for job in plan.jobs]
    protocol = plans[0].protocol
    screen.print(
        f"{protocol['corpus']}, {protocol['protocol']}: {len(jobs)} trainings of "
        f"{', '.join(plan.system for plan in plans)} into {os.path.commonpath([plan.run_folder for plan in plans])}"
    )
    if sb.utils.distributed.if_main_process():
        for plan in plans:
            compute_ahead(plan, screen)
    sb.utils.distributed.ddp_barrier()
    run_jobs(jobs, choose_launcher(options, _workers(options.jobs, len(jobs), run_options)), screen)


def _parser(script):
    parser = argparse.ArgumentParser(
        prog=f"{script.parent.name}/{script.name}",
        usage="%(prog)s hparams/NAME.yaml [--KEY VALUE ...] [--fold A,B] [--seeds 1,2] [--jobs N] ...",
        description="Train and test folds. Every key of the YAML and every run option of SpeechBrain (--device, "
        f"--precision, ...) can be given as --KEY VALUE; with {BASE}.yaml, --system NAME takes the keys of that row of "
        "recipes/systems.yaml. Finished folds are kept, begun ones resumed.",
        allow_abbrev=False,
    )
    add_run_options(parser)
    return parser


def add_run_options(parser) -> None:
    """Add what we have beside the keys of a YAML and SpeechBrain's run options."""
    parser.add_argument("--seeds", help="comma-separated numbers; default: the YAML's `seed`")
    parser.add_argument(
        "--sealed",
        action="store_true",
        help="nobody sees a test score before `ser report RUN --unseal`, which is noted",
    )
    parser.add_argument("--quiet", action="store_true", help="print the report and errors alone: no progress")
    add_launcher_options(parser)


def find_yaml(name, script) -> Path:
    """The YAML ``name``, below the working directory or beside the script."""
    for candidate in (Path(name), script.parent / name):
        if candidate.is_file():
            return candidate.resolve()
    there = ", ".join(str(path.relative_to(script.parent)) for path in sorted(script.parent.glob("hparams/*.yaml")))
    row = Path(name).stem
    raise MissingPathError(
        got=f"no file {name}, here or in {script.parent}",
        expected=f"one of {there}",
        remedy=f"hparams/{BASE}.yaml --system {row}" if row in read_systems(script) else "check the name",
    )


def _prepare_on_main(prepare, hparams) -> dict:
    """Call the recipe's prepare function on one process; hand what it returns to all."""
    options = {key: hparams[key] for key in inspect.signature(prepare).parameters if key in hparams}
    options["save_folder"] = hparams["manifest_folder"]  # the YAML's `save_folder` is where checkpoints go
    box: list[Any] = [None]
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


def _seeds(text) -> list:
    seeds = [int(part) for part in text.split(",") if part.isdecimal()]
    if len(seeds) < len(text.split(",")) or max(seeds) >= SEED_LIMIT:
        raise SerError(
            got=f"--seeds {text}",
            expected=f"whole numbers from 0 to {SEED_LIMIT - 1}, such as 1,2,3",
            remedy="correct the option",
        )
    return list(dict.fromkeys(seeds))


def _workers(asked, jobs, run_options) -> int:
    """How many processes; 0 is this one."""
    device = run_options["device"] or sb.utils.distributed.infer_device()
    if "RANK" in os.environ or jobs == 1 or (device != "cpu" and not asked):
        if device == "cpu":
            torch.set_num_threads(1)
        return 0
    if asked is not None and asked < 1:
        raise SerError(got=f"--jobs {asked}", expected="1 or more", remedy="correct the option")
    return min(asked or cores(), jobs)


def report(plan) -> None:
    """Write and print the report of a run, or say why there is none yet."""
    if plan.why_no_report:
        console().print(f"{plan.system}: {plan.why_no_report}")
    else:
        from ser_plugins.evaluation.report.summary import terminal_table, write_report  # matplotlib: not in every fold

        console().print(terminal_table(write_report(plan.run_folder)))
        console().print(f"Tables and figures: {plan.run_folder}")
