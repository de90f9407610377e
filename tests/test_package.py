"""What the package says of itself: how it is cited, and what its metadata are."""

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
    assert paper["title"] in (ROOT / "README.md").read_text(encoding="utf-8")
