"""The downloader against a server of our own on this machine."""

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ser_plugins.corpora import download as module
from ser_plugins.corpora.download import DownloadError, download, fetch_archive, unzip

REMEDY = "name your own copy"


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            # Of a fixed time: by name alone a member is dated now, and tests would be named by the second.
            member = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(member, content, zipfile.ZIP_STORED)
    return stream.getvalue()


ARCHIVE = zipped({"wav/03a01Fa.wav": bytes(range(256)) * 2000, "erkennung.txt": b"Nr."})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, total = self.server, len(self.server.content)
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        if server.stall:
            server.released.wait(10)
            return
        end = min(total, start + server.cuts.pop(0)) if server.cuts else total
        self.wfile.write(server.content[start:end])  # a cut: less than promised, then the connection closes

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.content, httpd.ranges, httpd.cuts, httpd.requests = ARCHIVE, True, [], []
        httpd.status, httpd.stall, httpd.released = 200, False, threading.Event()
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/download.zip"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.released.set()
        httpd.shutdown()
        thread.join()


def test_an_archive_is_fetched_and_unpacked(server, tmp_path):
    fetch_archive(server.url, tmp_path / "emodb", remedy=REMEDY)
    assert (tmp_path / "emodb" / "wav" / "03a01Fa.wav").read_bytes() == bytes(range(256)) * 2000
    assert [path.name for path in tmp_path.iterdir()] == ["emodb"]  # neither archive nor temporary files stay
    assert (tmp_path / "emodb").stat().st_mode & 0o755 == 0o755


def test_a_dropped_connection_is_resumed_at_once(server, tmp_path):
    server.cuts = [100_000, 150_000]
    download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE
    assert server.requests == [None, "bytes=100000-", "bytes=250000-"]


def test_a_later_run_resumes_what_an_earlier_one_left(server, tmp_path):
    server.cuts = [100_000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"closed after 100000 of \d+ bytes.*again resumes .*a\.zip\.part"):
        download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    assert (tmp_path / "a.zip.part").stat().st_size == 100_000
    assert not (tmp_path / "a.zip").exists()
    server.requests.clear()
    download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    assert server.requests == ["bytes=100000-"]
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.zip.part").write_bytes(b"what came earlier")
    download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE


@pytest.mark.parametrize("left", [ARCHIVE, ARCHIVE + b"of another edition"], ids=["whole", "too long"])
def test_a_part_that_is_whole_or_too_long(server, tmp_path, left):
    (tmp_path / "a.zip.part").write_bytes(left)
    download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE


def test_a_missing_archive_is_asked_for_once(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match=f"HTTP 404 Not Found; expected: the corpus archive; remedy: {REMEDY}"):
        fetch_archive(server.url, tmp_path / "emodb", remedy=REMEDY)
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_nobody_answers(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    server.stall = True
    with pytest.raises(DownloadError, match=f"timed out; .*{REMEDY}"):
        download(server.url, tmp_path / "a.zip", remedy=REMEDY)
    with pytest.raises(DownloadError, match=REMEDY):
        download("http://127.0.0.1:9/nothing.zip", tmp_path / "a.zip", remedy=REMEDY)


@pytest.mark.parametrize(
    "content",
    [b"<html>please log in</html>", ARCHIVE[:-30], ARCHIVE[:1000] + b"x" + ARCHIVE[1001:]],
    ids=["page", "cut", "damaged"],
)
def test_a_wrong_archive_is_refused_and_not_kept(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError, match="expected: an intact zip archive"):
        fetch_archive(server.url, tmp_path / "emodb", remedy=REMEDY)
    assert list(tmp_path.iterdir()) == []


def link():
    member = zipfile.ZipInfo("wav")
    member.external_attr = 0o120777 << 16
    return member


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "wav/../../evil.txt", "..\\evil.txt", "C:/evil.txt", link()]
)
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zipped({"wav/fine.wav": b"fine", name: b"/etc"}))
    with pytest.raises(DownloadError, match="points outside the folder"):
        unzip(tmp_path / "a.zip", tmp_path / "emodb", remedy=REMEDY)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


class TestBounds:
    """What is larger than any corpus archive is refused, before it fills the disk."""

    @pytest.mark.parametrize("cut", [False, True])
    def test_bytes_on_the_wire(self, server, tmp_path, monkeypatch, cut):
        monkeypatch.setattr(module, "LARGEST", 100_000)
        monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.0")
        if cut:  # a server that does not say how much it will send
            monkeypatch.setattr(Handler, "send_header", lambda *_: None)
        with pytest.raises(DownloadError, match=r"more than 100000 bytes; .*do not trust"):
            fetch_archive(server.url, tmp_path / "emodb", remedy=REMEDY)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("bound", "value"), [("LARGEST_UNPACKED", 100_000), ("MOST_MEMBERS", 1)])
    def test_what_is_unpacked(self, server, tmp_path, monkeypatch, bound, value):
        monkeypatch.setattr(module, bound, value)
        with pytest.raises(DownloadError, match=r"2 members, \d+ bytes unpacked; expected: at most"):
            fetch_archive(server.url, tmp_path / "emodb", remedy=REMEDY)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("names", [["a\x1b[2J.wav"], ["a" * 300], ["wav/a.wav", "WAV/A.wav"], ["a\nb.wav"]])
    def test_names(self, tmp_path, names):
        (tmp_path / "a.zip").write_bytes(zipped(dict.fromkeys(names, b"fine")))
        with pytest.raises(DownloadError, match="expected: names that can be read, each once"):
            unzip(tmp_path / "a.zip", tmp_path / "emodb", remedy=REMEDY)
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
