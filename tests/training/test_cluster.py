"""Two Ray machines on one, and one of them lost in the middle."""

import threading
import time

import pytest
from conftest import train

from ser_plugins.errors import SerError
from ser_plugins.training.launch.ray import STORE_BYTES, RayCluster

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

FOLDS = ("spk03", "spk08", "spk09")
OPTIONS = ("--number_of_epochs", "12", "--ckpt_interval_steps", "2")
MACHINE = {"num_cpus": 1, "object_store_memory": STORE_BYTES}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one machine with one core."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**MACHINE, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def lose(cluster, machine, run, at_work):
    """Kill a machine once two folds, hence both machines, are in the middle of training."""
    while True:
        begun = {fold for fold in FOLDS if list((run / fold).glob("save/CKPT*/CKPT.yaml"))}
        unfinished = {fold for fold in begun if not (run / fold / "results.json").exists()}
        if len(unfinished) == 2:
            break
        time.sleep(0.02)
    at_work.update(unfinished)
    cluster.remove_node(machine, allow_graceful=False)


@pytest.mark.timeout(600)  # a minute; minutes on a machine that does other work
def test_a_machine_lost_in_the_middle_costs_no_job_and_changes_no_number(cluster, toy_emodb, tmp_path):
    second = cluster.add_node(**MACHINE)
    at_work = set()
    run = tmp_path / "ray" / "bigru_mha" / "loso" / "seed_1234"
    killer = threading.Thread(target=lose, args=(cluster, second, run, at_work), daemon=True)
    killer.start()
    train(toy_emodb, tmp_path / "ray", *OPTIONS, "--launcher", "ray", "--address", cluster.address)
    killer.join(10)
    assert len(at_work) == 2
    # Every attempt begins a log: only the job that was lost began twice.
    begun = {fold: (run / fold / "log.txt").read_text().count("Beginning experiment!") for fold in FOLDS}
    assert sorted(begun.values()) == [1, 1, 2]
    assert {fold for fold, times in begun.items() if times == 2} <= at_work

    train(toy_emodb, tmp_path / "here", *OPTIONS, here=True)
    ray_table, here_table = (
        (tmp_path / where / "bigru_mha" / "loso" / "predictions.csv").read_text() for where in ("ray", "here")
    )
    assert ray_table == here_table


def test_a_job_that_no_machine_can_hold_is_refused_and_what_is_not_shared_comes_back(cluster, toy_emodb, tmp_path):
    with pytest.raises(SerError, match="0 GPUs"):
        list(RayCluster(cluster.address, gpus=0.5).run([], lambda running: None))
    options = ["--fold", "spk08", "--launcher", "ray", "--address", cluster.address, "--send-back", "results"]
    train(toy_emodb, tmp_path, *options)
    assert (tmp_path / "bigru_mha" / "loso" / "seed_1234" / "spk08" / "results.json").is_file()
