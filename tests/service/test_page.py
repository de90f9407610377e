"""The page in a real browser: a file in, the result read; a bad file shows the error."""

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_run import CLASSES, random_modules, tone, write_wav
from serving_http import running

from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.quality import check_recording
from ser_plugins.service.app import PAGE, create_app

CARD = "# bigru: 7 emotions\n\n> **SYNTHETIC**: sounds\n\n| | UAR |\n|---|---|\n| measured | 54.6 |\n\n- Limits."


@pytest.fixture(scope="module")
def page():
    model = EmotionClassifier(random_modules(), CLASSES)
    model.model_card = ModelCard.unmeasured("bigru", "own", CLASSES)
    with running(create_app(model, card=CARD, page=True)) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    with started_browser() as found:
        yield found


@contextmanager
def started_browser(*arguments):
    """Chromium; with whatever it is told besides, such as what its microphone hears."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "window-size=900,1400"):
        options.add_argument(f"--{argument}")
    for argument in ("fake-ui-for-media-stream", "fake-device-for-media-stream"):  # a microphone that beeps
        options.add_argument(f"--use-{argument}")
    for argument in arguments:
        options.add_argument(argument)
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield found
    finally:
        found.quit()


def wait(browser, condition, seconds=20):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(lambda _: condition())


def text(browser, name):
    return browser.find_element("id", name).text


def opened(browser, page):
    browser.get(f"http://localhost:{page.port}/")
    wait(browser, lambda: "60 s" in text(browser, "limits"))
    return browser


def test_the_page_asks_nobody_but_its_service(page):
    content = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w+\.|@import|innerHTML\s*=", content)
    reply = page.ask("/")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert page.ask("/", headers={"Host": "evil.example"}).status == 403


def test_a_file_is_judged_and_a_bad_one_shows_the_error(browser, page, tmp_path):
    opened(browser, page)
    path = write_wav(tmp_path / "speech.wav", tone(2.0))
    browser.find_element("id", "file").send_keys(str(path))
    expected = EmotionClassifier(random_modules(), CLASSES).predict_file(path)
    assert wait(browser, lambda: text(browser, "label")) == expected.label
    bars = text(browser, "bars")
    assert all(name in bars for name in CLASSES)
    assert f"{round(100 * expected.probability)} %" in bars
    assert text(browser, "duration") == "2.0 s"
    assert text(browser, "strangers") == "The model was not measured on strangers."
    warnings = [line.text for line in browser.find_elements("css selector", "#warnings li")]
    model = EmotionClassifier(random_modules(), CLASSES)
    assert warnings == [str(finding) for finding in check_recording(path, model).findings] != []
    browser.find_element("id", "look").click()
    wait(browser, lambda: browser.find_element("id", "picture").is_displayed())
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    browser.find_element("id", "file").send_keys(str(bad))
    wait(browser, lambda: "What to do: convert it" in text(browser, "error"))
    assert not browser.find_element("id", "result").is_displayed()
    browser.find_element("id", "file").send_keys(str(path))  # and it goes on
    wait(browser, lambda: text(browser, "label") == expected.label)
    assert text(browser, "error") == ""


def test_a_model_without_attention_shows_the_rest_and_says_so(browser, tmp_path):
    with running(create_app(EmotionClassifier(random_modules(heads=0), CLASSES), card=CARD, page=True)) as page:
        opened(browser, page)
        browser.find_element("id", "file").send_keys(str(write_wav(tmp_path / "speech.wav", tone(2.0))))
        wait(browser, lambda: text(browser, "label"))
        browser.find_element("id", "look").click()
        assert wait(browser, lambda: text(browser, "blind")) == "This model has no attention."
        assert text(browser, "error") == ""


def test_a_recording_is_decoded_in_the_page(browser, page):
    opened(browser, page)
    record = browser.find_element("id", "record")
    record.click()
    wait(browser, lambda: record.text == "Stop")
    browser.implicitly_wait(0)
    browser.execute_async_script("setTimeout(arguments[0], 1500)")
    record.click()
    assert wait(browser, lambda: text(browser, "label")) == "no speech"  # Chromium's false microphone beeps
    assert float(text(browser, "duration").split()[0]) > 0.5


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
                record = browser.find_element("id", "record")
                record.click()
                wait(browser, lambda record=record: record.text == "Stop")
                browser.execute_async_script("setTimeout(arguments[0], 3500)")
                record.click()
                heard.append(wait(browser, lambda browser=browser: text(browser, "label")))
    expected = [model.predict(path).label for path in paths]
    assert sum(one == other for one, other in zip(heard, expected, strict=True)) >= 8, (heard, expected)


def test_the_card_and_its_warnings_are_shown(browser, page):
    opened(browser, page)
    assert "SYNTHETIC" in browser.find_element("css selector", "#card blockquote").text
    assert "54.6" in browser.find_element("css selector", "#card table").text
    severe = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
    assert not [entry for entry in severe if "Security Policy" in entry["message"]], severe
