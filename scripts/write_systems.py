"""Write the YAML of every system of the paper's Tables 3 and 6, beside each recipe's bigru_mha.yaml.

> python scripts/write_systems.py

A system's file is bigru_mha.yaml with its title and the values that define it replaced, and nothing else.
"""

import re
from pathlib import Path

from ser_plugins.files import write_text

ROOT = Path(__file__).resolve().parents[1]
CORPORA = {"EmoDB": "EmoDB", "IEMOCAP": "IEMOCAP", "CHSIMS": "CH-SIMS", "MOSI": "MOSI"}
NO_CNN = {"front_end": "none"}
ONE_WAY = {"bidirectional": False, "heads": 0}
# file name -> title, and the values that differ from bigru_mha.yaml
SYSTEMS = {
    "cnn": ("CNN", {"recurrence": "none", "heads": 0}),
    "lstm": ("LSTM", {**NO_CNN, "recurrence": "lstm", **ONE_WAY}),
    "rnn": ("RNN", {**NO_CNN, "recurrence": "rnn", **ONE_WAY}),
    "cnn_lstm": ("CNN + LSTM", {"recurrence": "lstm", **ONE_WAY}),
    "bigru": ("Bi-GRU", {"heads": 0}),
    "self_attention": ("Self-attention", {**NO_CNN, "recurrence": "none", "heads": 1}),
    "bigru_self_attention": ("Bi-GRU + self-attention", {"heads": 1}),
    "mha": ("Multi-head attention", {**NO_CNN, "recurrence": "none"}),
    **{f"bigru_mha_{heads}": (f"Bi-GRU + {heads}-head attention", {"heads": heads}) for heads in (4, 8, 16, 32)},
}


def write(recipe: str) -> None:
    """Write the systems of one recipe; the number of heads that bigru_mha.yaml has already gets no second file."""
    folder = ROOT / "recipes" / recipe / "hparams"
    main = (folder / "bigru_mha.yaml").read_text(encoding="utf-8")
    usual_heads = re.search(r"^heads: (\d+)", main, re.MULTILINE)[1]
    for name, (title, values) in SYSTEMS.items():
        if name == f"bigru_mha_{usual_heads}":
            continue
        text = main[main.index("\nseed:") :]
        for key, value in {"system": name, **values}.items():
            text, replaced = re.subn(rf"^{key}: \S+", f"{key}: {value}", text, count=1, flags=re.MULTILINE)
            if not replaced:
                raise SystemExit(f"got: no key {key} in {folder}; expected: one; remedy: put it back")
        head = f"# {title} on {CORPORA[recipe]}, one of the systems of the paper's Tables 3 and 6.\n"
        source = "# Written from bigru_mha.yaml by scripts/write_systems.py: change it there.\n"
        write_text(folder / f"{name}.yaml", head + source + text)


if __name__ == "__main__":
    for each in CORPORA:
        write(each)
