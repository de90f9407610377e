"""Which launcher runs the trainings: its options on the command line, and what they ask for."""

from ser_plugins.errors import SerError
from ser_plugins.training.launch.local import Here, Local
from ser_plugins.training.launch.ray import RayCluster


def add_launcher_options(parser) -> None:
    """Add ``--jobs``, ``--launcher`` and what they need to an ``argparse`` parser."""
    parser.add_argument("--jobs", type=int, help="trainings side by side; default: one per core on a CPU, 1 on a GPU")
    parser.add_argument("--launcher", choices=("here", "local", "ray"), help="default: local, or here for a single job")
    parser.add_argument("--address", help="ray: of the cluster, such as auto; default: one started on this machine")
    parser.add_argument("--cpus-per-job", type=float, default=1, help="ray: cores that one training takes")
    parser.add_argument("--gpus-per-job", type=float, default=0, help="ray: GPUs that one training takes, such as 0.1")
    parser.add_argument(
        "--send-back",
        choices=("results", "checkpoints"),
        help="ray, where the results folder is not shared: what comes back beside logs; default: it is shared",
    )


def choose_launcher(options, workers: int):
    """The launcher that the options ask for.

    Arguments
    ---------
    options : argparse.Namespace
        The options of :func:`add_launcher_options`.
    workers : int
        Processes side by side where no launcher was named; 0 is this one.

    Raises
    ------
    SerError
        When ``ray`` is wanted and not installed, or options of Ray are given without it.
    """
    if options.launcher == "ray":
        limits = {"cpus": options.cpus_per_job, "gpus": options.gpus_per_job}
        return RayCluster(options.address, **limits, send_back=options.send_back)
    if options.address or options.gpus_per_job or options.send_back:
        raise SerError(
            got="--address, --gpus-per-job or --send-back", expected="--launcher ray with it", remedy="add or drop it"
        )
    if options.launcher == "here" or (options.launcher is None and not workers):
        return Here()
    return Local(max(workers, 1))
