"""Take the documents' picture of the page: a recording, judged by the bundled model in a headless Chromium.

> python scripts/make_screenshot.py
"""

import argparse
import base64
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
    parser.add_argument("--language", choices=("en", "de", "zh"), default="en")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--width", type=int, default=820, help="of the window, in pixels; a phone has 360")
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
            url = f"http://localhost:{listening.getsockname()[1]}/?lang={options.language}"
            take(url, wav.resolve(), options.output, options.width, options.scheme)
    finally:
        server.should_exit = True
        thread.join()
    print(options.output)


def take(url, wav, output, width=820, scheme="light") -> None:
    """Write the picture of the whole page with ``wav``'s result."""
    chrome = webdriver.ChromeOptions()
    chrome.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        chrome.add_argument(f"--{argument}")
    browser = webdriver.Chrome(options=chrome, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        wait = WebDriverWait(browser, 60)
        browser.get(url)
        wait.until(lambda _: browser.find_element("id", "limits").text)
        browser.find_element("id", "file").send_keys(str(wav))
        wait.until(lambda _: browser.find_element("id", "course").is_displayed())
        height = browser.execute_script("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        with atomic_path(output) as temporary:
            temporary.write_bytes(base64.b64decode(shot["data"]))
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
