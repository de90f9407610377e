"""What every recipe's ``reproduce.py`` does: systems x folds x seeds as one table of jobs, then reports and tables."""

import argparse
import functools
import importlib.util
import shlex
from pathlib import Path

import speechbrain as sb

from ser_plugins.errors import SerError
from ser_plugins.evaluation.paper.suite import write_suite
from ser_plugins.evaluation.report.summary import write_report
from ser_plugins.plain import console
from ser_plugins.training.endings import one_line_endings
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.recipe import add_run_options, parse_options, plan_system, run_plans
from ser_plugins.training.settings import values_as_written
from ser_plugins.training.systems import find_system, is_its_own

# Rows of the paper's Tables 3 and 6; a recipe's own number of heads is its `bigru_mha`. Then the baselines.
PAPER = (
    "cnn", "lstm", "rnn", "cnn_lstm", "bigru", "self_attention", "bigru_self_attention", "mha",
    "bigru_mha", "bigru_mha_4", "bigru_mha_8", "bigru_mha_16", "bigru_mha_32",
)  # fmt: skip
BASELINES = {"mfcc_svm": "sklearn", "egemaps_svm": "opensmile", "compare_svm": "opensmile"}  # and what each needs
# Seconds of one core per utterance and epoch, by front end: forward and backward at 3 s, batch 32, hidden size 128,
# measured when the presets were chosen. Only their order matters here.
SECONDS = {"fast": 1 / 34, "none": 1 / 10, "vlss": 1 / 5, "xu2024": 1 / 3.4}


def reproduce(arguments, *, prepare, script) -> None:
    """Train every system of a recipe on every fold with every seed, then write all reports and the paper's tables.

    Finished trainings are kept and begun ones resumed, so the same command goes on where it was interrupted.

    Arguments
    ---------
    arguments : list of str
        ``[--systems a,b] [--fold A,B] [--seeds 1,2] [--jobs N] [--launcher L] [--key value ...]``. A key that only
        some of the YAMLs have is given to those.
    prepare : callable
        The recipe's prepare function; it is called once for systems that share their manifests.
    script : str
        The recipe's ``reproduce.py``; the systems are the YAMLs in ``hparams/`` beside it, and the rows of
        ``systems.yaml`` beside its folder.

    Raises
    ------
    SystemExit
        130 for Ctrl-C, and 2 for anything wrong with the input and for trainings that failed, after the reports of the
        systems that are complete; each after one line on the error stream.
    """
    with one_line_endings():
        _reproduce(list(arguments), prepare, Path(script).resolve())


def _reproduce(arguments, prepare, script):
    options, rest = _parser(script).parse_known_args(arguments)
    systems = [find_system(system, script) for system in _systems(options.systems, script)]
    yaml_files = list(dict.fromkeys(path for path, _ in systems))
    run_options, overrides = parse_options(yaml_files, rest)
    if "system" in overrides:
        raise SerError(got=f"--system {overrides['system']}", expected="--systems, one or more", remedy="see --help")
    sb.utils.distributed.ddp_init_group(run_options)
    overrides = overrides_by_file(yaml_files, overrides)
    prepare = once(prepare)
    experiments = [Experiment.of(path, {**row, **overrides[path]}) for path, row in systems]
    plans = [
        plan_system(experiment, run_options, options, prepare=prepare, script=script) for experiment in experiments
    ]
    failed = None
    try:
        run_plans(sorted(plans, key=_seconds, reverse=True), options, run_options)
    except SerError as error:
        failed = error
    if sb.utils.distributed.if_main_process():
        _report(plans, f"python recipes/{script.parent.name}/{script.name} {shlex.join(arguments)}")
    if failed:
        raise failed


def _parser(script):
    parser = argparse.ArgumentParser(
        prog=f"{script.parent.name}/{script.name}",
        usage="%(prog)s [--KEY VALUE ...] [--systems A,B] [--fold A,B] [--seeds 1,2] [--jobs N] ...",
        description="Train and test systems on folds with seeds, then write every table. Every key of the YAMLs and "
        "every run option of SpeechBrain can be given as --KEY VALUE. Finished trainings are kept, begun ones resumed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--systems",
        help="comma-separated names of YAMLs in hparams/ and rows of recipes/systems.yaml; default: the paper's "
        "systems, and baselines",
    )
    add_run_options(parser)
    return parser


def _systems(wanted, script) -> list:
    """The systems asked for, each once; by default those of the paper, and the baselines that can run here."""
    if wanted:
        return list(dict.fromkeys(name.removesuffix(".yaml") for name in wanted.split(",")))
    baselines = [name for name, package in BASELINES.items() if importlib.util.find_spec(package)]
    return [name for name in (*PAPER, *baselines) if is_its_own(name, script)]


def overrides_by_file(yaml_files, overrides: dict) -> dict:
    """The overrides that each YAML has keys for."""
    keys = {path: values_as_written(path).keys() for path in yaml_files}
    return {path: {key: value for key, value in overrides.items() if key in keys[path]} for path in yaml_files}


def once(prepare):
    """``prepare``, called once for the same options: checking a corpus file by file takes a while."""
    protocols = {}

    @functools.wraps(prepare)
    def prepared(**options):
        key = repr(sorted(options.items()))
        if key not in protocols:
            protocols[key] = prepare(**options)
        return protocols[key]

    return prepared


def _seconds(plan) -> float:
    """Relative cost of one job of a system: the longest first leave no core idle at the end."""
    return plan.jobs[0].epochs * SECONDS.get(plan.experiment.values().get("front_end"), 0)


def _report(plans, command):
    screen = console()
    runs = {}
    for plan in plans:
        if plan.why_no_report:
            screen.print(f"{plan.system}: {plan.why_no_report}")
        else:
            write_report(plan.run_folder)
            runs[plan.system] = plan.run_folder
    if runs:
        run_folder = plans[0].run_folder  # <results_folder>/<system>/<protocol>
        folder = run_folder.parents[1] / "suite" / run_folder.name
        write_suite(runs, folder, command=command)
        screen.print(f"Reports of {', '.join(runs)}; the paper's tables and figures: {folder}")
