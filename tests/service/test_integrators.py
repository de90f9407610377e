"""What programs around the service rely on: forms, types, thresholds, unknown parameters, metrics, log."""

import re
import shutil
import subprocess

import pytest
from fake_run import CLASSES, random_modules
from serving_http import is_failure, running, wav

from ser_plugins.classifier import RegressionHead
from ser_plugins.errors import SerError
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.windows import Window
from ser_plugins.service.app import create_app
from ser_plugins.service.forms import Form
from ser_plugins.service.metrics import HELP
from ser_plugins.service.schemas import About, Attention, Failure, Health, judgements
from ser_plugins.service.thresholds import read_thresholds
from ser_plugins.service.uploads import Limits, Refusal

LINES = []


@pytest.fixture(scope="module")
def model():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def service(model):
    with running(create_app(model, limits=Limits(body=200_000), log=LINES.append)) as found:
        yield found


@pytest.fixture(scope="module")
def sound():
    return wav(1.0)


def form(*parts, boundary="limit", end=True):
    content = b""
    for name, body in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="a.wav"\r\n'
        content += head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + body + b"\r\n"
    return content + (f"--{boundary}--\r\n".encode() if end else b"")


FORM = {"Content-Type": "multipart/form-data; boundary=limit"}


# Forms


def test_a_form_is_answered_as_the_file_in_it(service, sound):
    expected = service.ask("/classify", sound).json
    assert service.ask("/classify", form(("file", sound)), FORM).json == expected
    pieces = [form(("file", sound))[begin : begin + 977] for begin in range(0, len(sound) + 200, 977)]
    assert service.ask("/classify", iter(pieces), FORM).json == expected


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_both_ways_of_curl_work(service, sound, tmp_path):
    (tmp_path / "a.wav").write_bytes(sound)
    address = f"http://127.0.0.1:{service.port}/classify"
    ways = (
        ["--data-binary", f"@{tmp_path / 'a.wav'}"],
        ["-F", f"file=@{tmp_path / 'a.wav'}"],
    )
    said = [subprocess.run(["curl", "-s", *way, address], capture_output=True, check=True).stdout for way in ways]
    assert said[0] == said[1]
    assert b'"label"' in said[0]


def test_what_curl_says_of_a_file_is_taken_for_a_file(service, sound):
    announced = {"Content-Type": "application/x-www-form-urlencoded"}
    assert service.ask("/classify", sound, announced).json == service.ask("/classify", sound).json


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (form(("text", b"good")), FORM, 422, "'text'"),
        (form(("file", b"RIFF"), ("file", b"RIFF")), FORM, 422, "two files"),
        (form(("file", b"RIFF"), end=False), FORM, 422, "its end is missing"),
        (form(), FORM, 422, "no field file"),
        (b"no form", FORM, 422, "cannot be read"),
        (form(("file", b"RIFF")), {"Content-Type": "multipart/form-data"}, 422, "no boundary"),
        (form(("file", b"RIFF")), {"Content-Type": f"multipart/form-data; boundary={'x' * 900}"}, 422, "oundary"),
        (form(("file", b"no sound")), FORM, 422, "libsndfile"),
        (form(("file", bytes(200_001))), FORM, 413, "at most 200,000"),
        (form((9000 * "x", b"RIFF")), FORM, 422, "cannot be read"),
    ],
)
def test_an_odd_form_is_told(service, body, headers, status, said):
    reply = service.ask("/classify", body, headers)
    is_failure(reply, status)
    assert said in " ".join(reply.json.values())
    assert service.ask("/health").json["held"] == 0


def test_a_form_is_the_same_however_it_is_cut(sound):
    body = form(("file", sound[:50] + b"\r\n--limi" + sound[50:99]))
    for size in (1, 7, len(body)):
        content = []
        reader = Form(FORM["Content-Type"], content.append)
        for begin in range(0, len(body), size):
            reader.feed(body[begin : begin + size])
        reader.close()
        assert b"".join(content) == sound[:50] + b"\r\n--limi" + sound[50:99]
    with pytest.raises(Refusal, match="no field file"):
        Form(FORM["Content-Type"], content.append).close()


# Types


def test_every_reply_is_of_the_type_that_openapi_tells(service, model, sound):
    types = judgements(model.window)
    types.recording.model_validate(service.ask("/classify", sound).json)
    types.timeline.model_validate(service.ask("/timeline?window=0.5&hop=0.5", sound).json)
    Attention.model_validate(service.ask("/attention", sound).json)
    Health.model_validate(service.ask("/health").json)
    About.model_validate(service.ask("/model").json)
    Failure.model_validate(service.ask("/classify", b"").json)
    schema = service.ask("/openapi.json").json
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            (good,) = [answer for status, answer in operation["responses"].items() if status < "300"]
            if path != "/metrics" and "content" in good:
                assert good["content"]["application/json"]["schema"]["$ref"], path
    fields = schema["components"]["schemas"]["Recording"]["properties"]
    assert list(fields) == ["label", "probability", "probabilities", "duration", "warnings", "check"]
    docs = service.ask("/docs").json.decode()
    assert "label: string or null" in docs
    assert "?abstain_below" in docs


def test_a_model_of_sentiment_has_types_of_its_own(sound):
    modules = random_modules()
    modules["classifier"] = RegressionHead(16)
    model = SentimentRegressor(modules, "mosi")
    with running(create_app(model)) as service:
        judgements(model.window).recording.model_validate(service.ask("/classify", sound).json)
        assert "sentiment" in service.ask("/classify?abstain_below=0.5", sound).json["got"]


# Parameters


def test_thresholds_take_labels_away_and_nothing_else(service, sound):
    plain = service.ask("/classify", sound).json
    name, height = plain["label"], plain["probability"]
    for query, label in (
        (f"abstain_below={height - 0.01:.3f}", name),
        (f"abstain_below={height + 0.01:.3f}", None),
        (f"threshold={name}:{height + 0.01:.3f}", None),
        (f"abstain_below=1&threshold={name}:0", name),
    ):
        assert service.ask(f"/classify?{query}", sound).json == {**plain, "label": label}, query
    rows = service.ask("/timeline?window=0.5&hop=0.5&abstain_below=1", sound).json["windows"]
    assert {row["label"] for row in rows} == {None}
    assert all(row["probabilities"] for row in rows)


@pytest.mark.parametrize("text", ["", "joy:0.5", f"{CLASSES[0]}:2", f"{CLASSES[0]}:nan", f"{CLASSES[0]}", ":0.5"])
def test_a_threshold_that_is_none_is_told_with_the_classes(model, text):
    with pytest.raises(SerError, match=CLASSES[-1]):
        read_thresholds(model, 0.0, [text])


def test_a_class_may_have_a_colon_in_its_name():
    class Model:
        labels = ("a:b", "c")

    found = read_thresholds(Model(), 0.0, ["a:b:0.5"])
    assert found.applied(Window(0.0, 1.0, "a:b", 0.4, {})).label is None


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/classify?abstainbelow=0.5", "text, abstain_below, threshold"),
        ("/timeline?windows=3", "window, hop, abstain_below, threshold"),
        ("/attention?window=3", "no parameters"),
        ("/health?x=1", "no parameters"),
    ],
)
def test_a_parameter_that_there_is_not_is_told_with_those_that_there_are(service, sound, path, known):
    reply = service.ask(path, None if "health" in path else sound)
    is_failure(reply, 422)
    assert reply.json["expected"] == known


# What is said of the service


def test_the_front_says_what_this_is(service):
    front = service.ask("/").json
    assert front["documentation"] == "/docs"
    assert service.ask(front["openapi"]).status == service.ask(front["metrics"]).status == 200
    people = service.ask("/", headers={"Accept": "text/html,*/*"}).json.decode()
    assert '<a href="docs">' in people


def test_requests_are_counted_and_written_down_without_what_was_in_them(service, sound):
    LINES.clear()
    service.ask("/classify?text=secret", sound)
    service.ask("/nothing/\x1b[31m".replace("\x1b", "%1b"))
    text = service.ask("/metrics").json.decode()
    helped, typed = (re.findall(rf"^# {kind} (ser_\w+) \S", text, re.MULTILINE) for kind in ("HELP", "TYPE"))
    assert helped == typed == list(HELP)
    for line in text.splitlines():
        assert re.fullmatch(
            r'# HELP .+|# TYPE ser_\w+ \w+|ser_\w+(\{\w+="[\w/+.]+"(,\w+="[\w+.]+")?\})? [\d.e+-]+', line
        ), line
    counted = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(counted['ser_requests_total{path="other",status="404"}']) >= 1
    assert (
        counted['ser_request_seconds_bucket{path="other",le="+Inf"}']
        == counted['ser_request_seconds_count{path="other"}']
    )
    assert counted["ser_requests_in_flight"] == "0"
    first, second = LINES[:2]
    assert re.fullmatch(rf"\S+ 127.0.0.1 POST /classify 422 {len(sound)} bytes \d+ ms", first)
    assert "\x1b" not in second
    assert "secret" not in "".join(LINES)
