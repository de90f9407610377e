"""The page in a real browser: what people do there, by mouse and keyboard, on a phone, in the dark."""

import csv
import json
import os
import re
import shutil
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from fake_run import CLASSES, random_modules, tone, write_wav
from serving_http import running

from ser_plugins.classifier import ClassifierHead
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.card_scores import CorpusScore, Strangers, TrainingCorpus
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.quality import check_recording
from ser_plugins.palette import colours_of
from ser_plugins.service.app import create_app
from ser_plugins.service.page import WEB
from ser_plugins.service.uploads import Limits
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import Fusion

CARD = "# bigru: 7 emotions\n\n> **SYNTHETIC**: sounds\n\n| | UAR |\n|---|---|\n| measured | 54.6 |\n\n- Limits."
STRINGS = json.loads((WEB / "strings.json").read_text(encoding="utf-8"))
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in WEB.iterdir()}
AUDIT = Path(__file__).with_name("page_audit.js").read_text(encoding="utf-8")


def measured_card():
    scores = [CorpusScore("One", 90, 9, 6, 0.6884, (0.6, 0.7)), CorpusScore("Two", 30, 3, 7, 0.9, None)]
    corpora = (TrainingCorpus("One", language="de"), TrainingCorpus("Two", language="en"))
    parts = {"corpora": corpora, "by_corpus": tuple(scores), "strangers": Strangers("loco", (scores[0],))}
    return ModelCard.unmeasured("bigru", "One + Two", CLASSES, **parts)


@pytest.fixture(scope="module")
def model():
    found = EmotionClassifier(random_modules(), CLASSES)
    found.model_card = measured_card()
    return found


@pytest.fixture(scope="module")
def page(model):
    with running(create_app(model, card=CARD, page=True)) as found:
        yield found


@pytest.fixture(scope="module")
def other_page():
    """Of a model that reads, has no attention and no card; its service takes no streams."""
    modules = random_modules(heads=0)
    modules["subwords"] = SubwordEncoder(vocabulary=40).fit(
        ["good morning, how are you", "leave me alone", "well then"]
    )
    modules["embedding_model"] = Fusion(hidden_size=8, heads=0, vocabulary=40, piece_size=8, text_hidden_size=8)
    modules["classifier"] = ClassifierHead(modules["embedding_model"].output_size, classes=7)
    limits = Limits(streams=0)
    with running(create_app(EmotionClassifier(modules.eval(), CLASSES), page=True, limits=limits), limits) as found:
        yield found


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("sounds") / "speech.wav", tone(2.0))


@pytest.fixture(scope="module")
def chromium(speech, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    with started_browser(f"--use-file-for-fake-audio-capture={speech}") as found:
        found.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        found.downloads = folder
        yield found


@pytest.fixture
def browser(chromium):
    seen_as(chromium)
    return chromium


def seen_as(browser, width=900, height=1400, scheme="light"):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@contextmanager
def started_browser(*arguments):
    """Chromium; with whatever it is told besides, such as what its microphone hears."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "mute-audio"):
        options.add_argument(f"--{argument}")
    for argument in ("fake-ui-for-media-stream", "fake-device-for-media-stream"):
        options.add_argument(f"--use-{argument}")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield found
    finally:
        found.quit()


def wait(browser, condition, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(lambda _: condition())


def element(browser, name):
    return browser.find_element("id", name)


def text(browser, name):
    return element(browser, name).text


def opened(browser, page, language="en"):
    browser.get(f"http://localhost:{page.port}/?lang={language}")
    wait(browser, lambda: "60" in text(browser, "limits"))
    return browser


def send(browser, *paths):
    element(browser, "file").send_keys("\n".join(map(str, paths)))


def judged(browser):
    """When the result and its course are there: what it is."""
    wait(browser, lambda: element(browser, "course").is_displayed())
    return text(browser, "label")


def problems(browser):
    return browser.execute_script(AUDIT)


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def test_the_page_asks_nobody_but_its_service_and_runs_only_its_files(page):
    for name, content in SOURCES.items():
        assert not re.search(r"https?://|[\"'(]//\w+\.|@import|innerHTML|eval\(", content), name
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script>", SOURCES["index.html"])
    reply = page.ask("/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("/", *(f"/web/{name}" for name in SOURCES if name != "index.html")):
        policy = page.ask(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
    assert page.ask("/web/../app.py").status == page.ask("/web/index.html").status == 404
    assert page.ask("/", headers={"Host": "evil.example"}).status == 403


def test_every_language_has_the_same_words_with_the_same_places_and_all_are_used():
    places = [{key: set(re.findall(r"\{\w+\}", text)) for key, text in words.items()} for words in STRINGS.values()]
    assert list(STRINGS) == ["en", "de", "zh"]
    assert places[0] == places[1] == places[2]
    assert all(text.strip() == text != "" for words in STRINGS.values() for text in words.values())
    sources = "".join(content for name, content in SOURCES.items() if name != "strings.json")
    used = set(re.findall(r"[\"`]([a-z]+(?:\.[A-Za-z]+)*)[\"`]", sources))
    made = ("caution.", "emotion.", "error.", "fact.", "finding.", "transcript.")  # joined of parts
    assert {key for key in STRINGS["en"] if not key.startswith(made)} <= used
    asked = re.findall(r"(?:words|say|tell|Trouble)\(\"([a-z.]+)\"|data-text=\"([a-z.]+)\"", sources)
    assert {one or other for one, other in asked} <= set(STRINGS["en"])
    assert {f"emotion.{name}" for name in CLASSES} <= set(STRINGS["zh"])


def test_a_file_is_judged_and_a_bad_one_shows_the_error(browser, page, model, speech, tmp_path):
    opened(browser, page)
    send(browser, speech)
    expected = model.predict_file(speech)
    assert judged(browser) == expected.label
    bars = text(browser, "bars")
    assert all(name in bars for name in CLASSES)
    assert f"{round(100 * expected.probability)}%" in bars
    assert "2.0 s" in text(browser, "share")
    assert "69%" in text(browser, "expect")
    findings = browser.find_elements("css selector", "#findings details")
    assert len(findings) == len(check_recording(speech, model).findings) > 0
    why = findings[0].find_element("css selector", "p")
    assert not why.is_displayed()
    findings[0].find_element("css selector", "summary").click()
    assert why.is_displayed()
    element(browser, "looking").click()
    wait(browser, lambda: element(browser, "picture").is_displayed())
    assert problems(browser) == []

    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    send(browser, bad)
    wait(browser, lambda: "What to do: convert it" in text(browser, "error"))
    assert "bad.wav" in text(browser, "error")
    assert not element(browser, "result").is_displayed()
    assert problems(browser) == []
    send(browser, speech)  # and it goes on
    assert judged(browser) == expected.label
    assert text(browser, "error") == ""


def test_a_minute_has_a_course_whose_moments_are_heard(browser, page, tmp_path):
    opened(browser, page)
    path = write_wav(tmp_path / "minute.wav", tone(60.0))
    send(browser, path)
    judged(browser)
    slider = element(browser, "timeline")
    assert slider.get_attribute("aria-valuemax") == "60.0"
    element(browser, "listed").click()
    rows = browser.find_elements("css selector", "#moments tr")
    cells = [[cell.text for cell in row.find_elements("css selector", "td")] for row in rows]
    assert (cells[0][0], cells[-1][1]) == ("0.0 s", "60.0 s")
    assert all(one[1] == other[0] for one, other in pairwise(cells))  # without gaps
    assert {cell[2].split()[0] for cell in cells} <= set(CLASSES)
    slider.click()  # in the middle
    place = float(slider.get_attribute("aria-valuenow"))
    assert 29 < place < 50  # it plays already
    wait(browser, lambda: float(slider.get_attribute("aria-valuenow")) > place)
    assert text(browser, "play") == "Pause"
    element(browser, "play").click()
    wait(browser, lambda: text(browser, "play") == "Play")


def test_a_long_recording_is_judged_in_the_background_and_can_be_cancelled(browser, page, tmp_path):
    from selenium.webdriver.common.keys import Keys

    opened(browser, page)
    path = write_wav(tmp_path / "long.wav", tone(121.0))
    send(browser, path)
    assert judged(browser) in CLASSES
    assert re.fullmatch(r"mean over time: \d+% · 2:01", text(browser, "share"))
    assert element(browser, "timeline").get_attribute("aria-valuemax") == "121.0"
    assert not element(browser, "job").is_displayed()
    assert not element(browser, "looking").is_displayed()
    wait(browser, lambda: element(browser, "play").is_enabled())
    element(browser, "listed").click()
    cells = browser.find_elements("css selector", "#moments td:nth-child(-n+2)")
    assert (cells[0].text, cells[-1].text) == ("0:00", "2:01")
    assert problems(browser) == []
    wait(browser, lambda: "ser_jobs 0\n" in page.ask("/metrics").json.decode())  # it is forgotten at the service

    send(browser, write_wav(tmp_path / "longer.wav", tone(240.0)))
    wait(browser, lambda: element(browser, "job").is_displayed())
    assert problems(browser) == []
    element(browser, "cancel").send_keys(Keys.ENTER)
    wait(browser, lambda: text(browser, "status") == "Cancelled.")
    assert browser.switch_to.active_element.get_attribute("id") == "file"
    assert not element(browser, "result").is_displayed()
    wait(browser, lambda: "ser_jobs 0\n" in page.ask("/metrics").json.decode())


def test_what_is_said_of_a_long_recording_is_the_mean_of_what_was_heard(browser, page):
    opened(browser, page)
    script = """const done = arguments[0];
    const shares = (share) => share && { a: share, b: 1 - share };
    const row = (start, label, share) =>
      ({ start, end: start + 3, label, probability: share, probabilities: shares(share) });
    const score = (start, value) => ({ start, end: start + 3, score: value, polarity: null });
    import("/web/jobs.js").then(({ meanOver }) => done([
      meanOver([row(0, "a", 0.9), row(1, null, null), row(2, "b", 0.3)]), meanOver([row(0, null, null)]),
      meanOver([score(0, 1), score(1, 2)])]));"""
    mean, silent, scored = browser.execute_async_script(script)
    assert (mean["label"], mean["probability"], mean["duration"]) == ("a", pytest.approx(0.6), 5)
    assert mean["probabilities"] == pytest.approx({"a": 0.6, "b": 0.4})
    assert (silent["label"], silent["probability"], silent["probabilities"]) == (None, None, None)
    assert (scored["score"], scored["polarity"]) == (1.5, None)


def test_stretches_of_one_answer_cover_the_recording_without_gaps(browser, page):
    opened(browser, page)
    script = """const done = arguments[0];
    const row = (start, label) => ({ start, end: start + 2, label, probabilities: {} });
    import("/web/segments.js").then(({ segments }) => done(segments([row(0, "a"), row(1, "a"), row(2, "b")], 5)));"""
    found = [(one["from"], one["to"], one["label"]) for one in browser.execute_async_script(script)]
    assert found == [(0, 2.5, "a"), (2.5, 5, "b")]


def test_several_files_have_a_table_and_the_table_a_csv(browser, page, model, speech, tmp_path):
    opened(browser, page)
    other = write_wav(tmp_path / 'with, "quotes".wav', tone(1.0, pitch=90.0))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    send(browser, speech, bad, other)
    wait(browser, lambda: text(browser, "status") == "2 files judged; 1 could not be.")
    rows = [row.text for row in browser.find_elements("css selector", "#rows tr")]
    expected = [model.predict_file(path).label for path in (speech, other)]
    assert expected[0] in rows[0]
    assert "could not be judged" in rows[1]
    assert expected[1] in rows[2]
    assert problems(browser) == []
    browser.find_element("css selector", "#rows tr:last-child button").click()
    wait(browser, lambda: text(browser, "result-title") == other.name)
    assert judged(browser) == expected[1]

    browser.execute_script("arguments[0].click()", element(browser, "download"))
    table = browser.downloads / "emotions.csv"
    wait(browser, table.exists)
    lines = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert [line["file"] for line in lines] == ["speech.wav", "bad.wav", other.name]
    assert [line["label"] for line in lines] == [expected[0], "", expected[1]]
    assert float(lines[0]["p_anger"]) == pytest.approx(model.predict_file(speech).probabilities["anger"], abs=1e-6)
    assert "convert it" in lines[1]["error"]


def test_a_recording_is_decoded_in_the_page(browser, page):
    opened(browser, page)
    record = element(browser, "record")
    record.click()
    wait(browser, lambda: record.text == "Stop")
    assert not element(browser, "live").is_enabled()
    browser.execute_async_script("setTimeout(arguments[0], 1500)")
    record.click()
    assert judged(browser) in CLASSES
    assert float(text(browser, "share").split()[-2]) > 0.5


def test_live_answers_while_somebody_speaks_and_can_be_heard_again(browser, page):
    opened(browser, page)
    element(browser, "live").click()
    wait(browser, lambda: element(browser, "result").is_displayed())
    assert text(browser, "label") in CLASSES
    assert re.fullmatch(r"Live, \d+\.0 to \d+\.0 s", text(browser, "result-title"))
    assert problems(browser) == []
    element(browser, "live").click()
    wait(browser, lambda: text(browser, "status").startswith("Live ended after"))
    assert text(browser, "error") == ""
    assert text(browser, "live") == "Live"
    wait(browser, lambda: element(browser, "play").is_enabled())
    assert float(element(browser, "timeline").get_attribute("aria-valuemax")) >= 3


def test_where_there_is_no_live_view_the_rest_works_and_a_text_goes_along(browser, other_page, speech):
    opened(browser, other_page)
    element(browser, "live").click()
    wait(browser, lambda: "The live view is not to be had here (0 open streams" in text(browser, "error"))
    assert text(browser, "live") == "Live"
    send(browser, speech)
    judged(browser)
    alone = text(browser, "bars")
    element(browser, "transcript").send_keys("leave me alone")
    send(browser, speech)
    wait(browser, lambda: element(browser, "course").is_displayed() and text(browser, "bars") != alone)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert any(name.endswith("classify?text=leave%20me%20alone") for name in asked)
    assert "Nobody has measured" in text(browser, "expect")
    element(browser, "looking").click()
    wait(browser, lambda: text(browser, "blind") == "This model has no attention to show.")


def test_the_keyboard_reaches_and_moves_everything_and_shows_where_it_is(browser, page, speech):
    from selenium.webdriver.common.keys import Keys

    opened(browser, page)
    send(browser, speech)
    judged(browser)
    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    reached = []
    for _ in range(40):
        press(browser, Keys.TAB)
        focus = browser.switch_to.active_element
        name = focus.get_attribute("id") or focus.tag_name
        if name in ("body", "html"):
            break
        ring = focus if name != "file" else browser.find_element("css selector", "label[for=file]")
        assert ring.value_of_css_property("outline-style") == "solid", name
        assert float(ring.value_of_css_property("outline-width")[:-2]) >= 2, name
        reached.append(name)
        if name == "timeline":
            press(browser, Keys.END, Keys.ARROW_LEFT)
            assert focus.get_attribute("aria-valuenow") == "1.5"
            assert focus.get_attribute("aria-valuetext").startswith("1.5 s, ")
            press(browser, Keys.SPACE)
            wait(browser, lambda: float(element(browser, "timeline").get_attribute("aria-valuenow")) != 1.5)
    assert [name for name in reached if name not in ("summary", "a")] == [
        "language", "record", "live", "file", "play", "timeline",
    ]  # fmt: skip
    assert reached.count("summary") == 4 + len(browser.find_elements("css selector", "#findings li")) - 1


def test_the_audit_finds_what_it_looks_for(browser, page):
    opened(browser, page)
    assert problems(browser) == []
    browser.execute_script("""
        const main = document.querySelector("main"), make = (tag) => main.appendChild(document.createElement(tag));
        make("button").style = "min-height: 0; height: 10px";
        make("h5").textContent = "deep"; make("hr").style.width = "200vw";
        Object.assign(make("p"), { textContent: "grey" }).style.color = "#888";
        make("div").id = "status"; document.querySelector("#error").role = "";
    """)
    found = " ".join(problems(browser))
    expected = (
        "no name",
        "heading out",
        "sideways",
        "contrast 3.",
        "an id twice",
        "no live region: alert",
        "smaller than",
    )
    assert [problem for problem in expected if problem not in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phones_desktops_and_three_languages_pass_the_audit_by_day_and_night(browser, page, speech, scheme):
    from selenium.webdriver.support.ui import Select

    seen_as(browser, 360, 740, scheme)
    opened(browser, page, "zh")
    for language, title in (("zh", "这个声音"), ("de", "Was drückt"), ("en", "What does")):
        Select(element(browser, "language")).select_by_value(language)
        assert browser.title.startswith(title)
        assert browser.execute_script("return document.documentElement.lang") == language
        send(browser, speech, speech)
        wait(browser, lambda: re.match(r"2 Dat|2 fil|已分析 2", text(browser, "status")))
        for fold in browser.find_elements("css selector", "details:not([open])"):
            browser.execute_script("arguments[0].open = true", fold)
        for width in (360, 1200):
            seen_as(browser, width, 740, scheme)
            assert problems(browser) == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_model_has_three_facts_and_its_card_behind_a_fold(browser, page):
    opened(browser, page, "de")
    facts = [fact.text for fact in browser.find_elements("css selector", ".fact")]
    assert "Deutsch" in facts[0]
    assert "68,8 %" in facts[1]
    assert "90,0 %" in facts[1]
    assert "68,8 %" in facts[2]
    assert "90,0 %" not in facts[2]
    assert not element(browser, "card").is_displayed()
    browser.execute_script("arguments[0].parentNode.open = true", element(browser, "card"))
    assert "SYNTHETIC" in browser.find_element("css selector", "#card blockquote").text
    assert "54.6" in browser.find_element("css selector", "#card table").text
    said = [entry["message"] for entry in browser.get_log("browser")]
    assert not [message for message in said if "Security Policy" in message or "Uncaught" in message], said


def test_colours_are_those_of_all_pictures(page):
    assert page.ask("/model").json["colours"] == colours_of(CLASSES)


def test_a_microphone_changes_no_label():
    """Recordings of EmoDB in takes of 3.5 s, silence behind them, as somebody presses the button by hand."""
    if "EMODB" not in os.environ:
        pytest.skip("set EMODB to the folder of the real corpus")
    model = EmotionClassifier.from_hparams(device="cpu")
    paths = sorted(Path(os.environ["EMODB"]).glob("wav/*.wav"))[5::60]  # nine
    heard = []
    with running(create_app(model, page=True)) as served:
        for path in paths:
            with started_browser(f"--use-file-for-fake-audio-capture={path}%noloop") as browser:
                opened(browser, served)
                record = element(browser, "record")
                record.click()
                wait(browser, lambda record=record: record.text == "Stop")
                browser.execute_async_script("setTimeout(arguments[0], 3500)")
                record.click()
                heard.append(wait(browser, lambda browser=browser: text(browser, "label")))
    expected = [model.predict(path).label for path in paths]
    assert sum(one == other for one, other in zip(heard, expected, strict=True)) >= 8, (heard, expected)
