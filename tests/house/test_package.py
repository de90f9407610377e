"""What the package says of itself: how it is cited, and what its metadata are."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from functools import partial
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from ser_plugins import __version__


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    assert citation()["version"] == __version__
    assert citation()["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= set(citation())


def test_the_version_and_the_keywords_are_those_of_the_package_s_metadata():
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{__version__}"\n' in metadata
    assert all(f'"{keyword}"' in metadata for keyword in citation()["keywords"])


def test_the_paper_is_cited_with_all_its_authors():
    (paper,) = citation()["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Xu", "Liu", "Song", "Liang", "Chen"]
    assert paper["doi"] == "10.3390/s24051429"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since setuptools would put into it whatever an earlier build left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "ser_plugins", folder / "ser_plugins", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder / "dist", folder]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, capture_output=True)
    shutil.rmtree(folder / "build")
    (path,) = (folder / "dist").iterdir()
    return path


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel):
    sources = wheel.parents[1]
    files = {path.relative_to(sources).as_posix() for path in sources.rglob("ser_plugins/**/*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == files


def test_the_documents_say_its_size(wheel):
    (megabytes,) = re.findall(r"a wheel of ([\d.]+) MB", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"))
    assert float(megabytes) == pytest.approx(wheel.stat().st_size / 1e6, abs=0.2)


def test_the_wheel_classifies_where_the_sources_are_not(wheel, tmp_path, toy_emodb):
    """In a fresh environment, which borrows the packages of this one, but not the links of their .pth files."""
    builder = venv.EnvBuilder()
    builder.create(tmp_path / "venv")
    fresh = builder.ensure_directories(tmp_path / "venv")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = partial(subprocess.check_output, cwd=tmp_path, env=environment, text=True)
    install = ["--python", fresh.env_exe, "install", "--quiet", "--no-deps", "--no-index", wheel]
    run([sys.executable, "-m", "pip", *install])
    packages = run([fresh.env_exe, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    borrowed = "\n".join(folder for folder in sys.path if folder.endswith("-packages"))
    Path(packages, "borrowed.pth").write_text(borrowed + "\n", encoding="utf-8")

    module = run([fresh.env_exe, "-c", "import ser_plugins; print(ser_plugins.__file__)"]).strip()
    assert Path(module).is_relative_to(packages)
    wav = min((toy_emodb / "wav").glob("*.wav"))
    (prediction,) = json.loads(run([Path(fresh.bin_path, "ser"), "classify", wav, "--json"]))
    assert prediction["label"] in prediction["probabilities"]
