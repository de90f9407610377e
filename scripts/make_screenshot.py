"""Take the README's picture of the page: a synthetic sentence, judged by the bundled model in a headless Chromium.

> python scripts/make_screenshot.py
"""

import argparse
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.files import atomic_path
from ser_plugins.inference import BOX, open_model
from ser_plugins.service.app import create_app

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "demo.png"


def main():
    """Serve, open, upload, wait, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BOX, help="by default the bundled model")
    parser.add_argument("--wav", type=Path, help="by default a synthetic sentence")
    parser.add_argument("--output", type=Path, default=PICTURE)
    options = parser.parse_args()
    model = open_model(options.model)
    app = create_app(model, card=model.card, page=True)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        with tempfile.TemporaryDirectory() as temporary:
            wav = (
                options.wav or write_toy_emodb(Path(temporary) / "emodb", 1, 1, ("anger",), 12) / "wav" / "03a01Wa.wav"
            )
            take(f"http://localhost:{listening.getsockname()[1]}/", wav.resolve(), options.output)
    finally:
        server.should_exit = True
        thread.join()
    print(options.output)


def take(url, wav, output) -> None:
    """Write the picture of ``wav``'s result."""
    chrome = webdriver.ChromeOptions()
    chrome.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=820,1400", "hide-scrollbars"):
        chrome.add_argument(f"--{argument}")
    browser = webdriver.Chrome(options=chrome, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        wait = WebDriverWait(browser, 30)
        browser.get(url)
        wait.until(lambda _: browser.find_element("id", "limits").text)
        browser.find_element("id", "file").send_keys(str(wav))
        wait.until(lambda _: browser.find_element("id", "label").text)
        browser.find_element("id", "look").click()
        wait.until(lambda _: any(browser.find_element("id", name).is_displayed() for name in ("picture", "blind")))
        with atomic_path(output) as temporary:
            temporary.write_bytes(browser.get_screenshot_as_png())
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
