"""The notebook runs from top to bottom, as a person runs it, and holds no outputs."""

import json

import forked
import pytest
from conftest import ROOT

NOTEBOOK = ROOT / "examples" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_small_and_holds_no_outputs(cells):
    assert NOTEBOOK.stat().st_size < 20_000
    for cell in cells:
        assert not cell.get("outputs")
        assert cell["source"]


def test_it_runs_from_top_to_bottom_without_a_network(cells, tmp_path):
    steps = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(steps) > 5
    no_network = "import socket\nsocket.socket.connect = socket.getaddrinfo = None\n"
    last = "\nassert own.labels and followed.segments and two_heads.is_dir()\n"
    (tmp_path / "steps.py").write_text(no_network + "\n\n".join(steps) + last, encoding="utf-8")
    forked.run(tmp_path / "printed", tmp_path / "steps.py", cwd=NOTEBOOK.parent)
    printed = (tmp_path / "printed").read_text(encoding="utf-8")
    assert "audit ok: " in printed
    assert "speaker" in printed.split("audit ok: ")[1]
