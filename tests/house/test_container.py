"""The container and its proxy: what they may not do holds in every line, with or without Docker to build them."""

import json
import re

import yaml
from conftest import ROOT
from typer.main import get_command

from ser_plugins.cli import app
from ser_plugins.service.app import Limits

INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)")


def stages():
    """The stages of the Dockerfile, each a list of (instruction, argument)."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found = [[]]
    for name, argument in (INSTRUCTION.match(line).groups() for line in lines if line.strip()):
        if name == "FROM":
            found.append([])
        found[-1].append((name, argument))
    return found


def arguments(stage, name):
    return [argument for instruction, argument in stage if instruction == name]


def compose():
    return yaml.safe_load((ROOT / "container/compose.yaml").read_text(encoding="utf-8"))


def test_what_runs_is_a_user_without_rights_that_is_asked_how_it_is():
    _, build, final = stages()
    assert arguments(final, "USER") == ["10001"]
    assert not {"RUN", "COPY", "ADD"} & {name for name, _ in final[final.index(("USER", "10001")) :]}
    (check,) = arguments(final, "HEALTHCHECK")
    asked = json.loads(check.partition("CMD ")[2])
    assert "/health" in asked[-1]
    compile(asked[-1], "HEALTHCHECK", "exec")
    assert arguments(final, "COPY") == ["--from=build /opt/ser /opt/ser"]
    assert arguments(build, "COPY")


def test_images_have_versions_and_files_have_no_secrets_and_no_index():
    images = [*arguments(stages()[0], "ARG"), *(service.get("image", "") for service in compose()["services"].values())]
    assert [image for image in images if image]
    for image in filter(None, images):
        assert re.search(r"[:=]\d+\.\d+", image), image
    for path in (ROOT / "Dockerfile", *(ROOT / "container").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert "latest" not in text
        assert "://" not in re.sub(r"http://127\.0\.0\.1:8000/health", "", text)
        assert not re.search(r"(?im)^[^#$\n]*(password|token|secret)\w*\s*[=:]\s*['\"]?[^\s$]", text)


def test_the_versions_of_the_constraints_are_installed_from_what_is_copied():
    _, build, _ = stages()
    for command in arguments(build, "RUN"):
        assert command.count("pip install") == command.count("--constraint constraints.txt")
    sources = {source for argument in arguments(build, "COPY") for source in argument.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', " ".join(arguments(build, "RUN")))
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = ", declared, re.MULTILINE) for extra in extras.split(","))


def test_it_starts_a_command_that_there_is():
    final = stages()[-1]
    (entry,), (command,) = arguments(final, "ENTRYPOINT"), arguments(final, "CMD")
    assert json.loads(entry) == ["ser"]
    name, *options = json.loads(command)
    get_command(app).commands[name].make_context(name, options)


def test_both_services_are_bounded_and_only_the_proxy_is_reached_from_outside():
    content = compose()
    services = content["services"]
    assert set(services) == {"ser", "proxy"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "pids_limit", "tmpfs"} <= set(service)
        assert "privileged" not in service
    assert "ports" not in services["ser"]
    assert services["ser"]["networks"] == ["inside"]
    assert content["networks"]["inside"] == {"internal": True}
    for value in services["proxy"]["environment"].values():
        assert re.fullmatch(r"\$\{\w+:\?.+\}", value)  # asked for, and no default


def test_the_proxy_asks_for_a_password_and_takes_as_much_as_the_service():
    text = (ROOT / "container/Caddyfile").read_text(encoding="utf-8")
    assert "basic_auth {" in text
    bounds = re.findall(r"request_body (\S+) \{\s+max_size (\d+)MiB\s+\}", text)
    assert bounds == [("@requests", f"{Limits().body // 2**20}"), ("/jobs", f"{Limits().job_body // 2**20}")]
    assert "@requests not path /jobs" in text
    assert "reverse_proxy ser:8000" in text
