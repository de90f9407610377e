"""Write constraints.txt: let pip resolve the package and all its extras on every supported Python that is found here.

Needs python3.10 to python3.13 on the PATH, and a package index; downloads metadata only.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEAD = """\
# Exact versions of all that the Makefile but for `make bench` installs, so that an install can be repeated.
# Written by `make constraints`: a line with a marker holds for that Python, one without for all.
# Without hashes, on purpose: pip takes none for an editable install, and one version of torch has other files on every
# platform and in every mirror with builds of its own. For one machine, `pip download -d wheels -c constraints.txt .`
# keeps the very files, and `pip hash wheels/*` prints what to compare them by.
"""


def resolve(python: str) -> dict[str, str]:
    """Names and versions that pip would install on one Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([shutil.which(f"python{python}"), "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--quiet"]
        subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
        report = f"{folder}/report.json"
        subprocess.run([*pip, "install", "--dry-run", "--report", report, f"{ROOT}[dev,docs,tensorboard]"], check=True)
        installs = json.loads(Path(report).read_text(encoding="utf-8"))["install"]
    found = {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"] for item in installs}
    del found["ser-plugins"]
    return found


def main():
    """Merge what the Pythons need."""
    resolved = {python: resolve(python) for python in PYTHONS}
    lines = []
    for name in sorted(set().union(*resolved.values())):
        versions = {python: found[name] for python, found in resolved.items() if name in found}
        for version in sorted(set(versions.values())):
            marker = " or ".join(f'python_version == "{p}"' for p, v in versions.items() if v == version)
            lines.append(f"{name}=={version}" + (f" ; {marker}" if len(set(versions.values())) > 1 else ""))
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
