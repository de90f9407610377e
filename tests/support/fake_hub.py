"""The Hugging Face hub as its client sees it, on this machine: what an upload and a download ask for, and no more."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = 40 * "b"
TOKEN = "hf_fake"


class FakeHub(ThreadingHTTPServer):
    """Repositories by name, each with ``visibility`` and ``files``; ``statuses`` has what a path answers instead."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories = {}
        self.blobs = {}
        self.statuses = {}
        self.asked = []


@contextmanager
def serving(monkeypatch, home):
    """A hub that the client in this process talks to, with a token in the environment."""
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    point_to(monkeypatch, hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def point_to(monkeypatch, url):
    """Let the client in this process ask ``url``."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self):
        body = self._body()
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path))
        status = next((status for part, status in self.server.statuses.items() if part in path), None)
        if status is None and self.headers.get("Authorization") != f"Bearer {TOKEN}" and "/blobs/" not in path:
            status = 401
        if status is not None:
            return self._send(status, json.dumps({"error": "no"}).encode())
        for pattern, method in _ROUTES.items():
            if match := re.fullmatch(pattern, path):
                return method(self, body, *match.groups())
        return self._send(404, b"{}")

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status, content, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value):
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    def whoami(self, body):
        self._json({"name": "someone", "type": "user"})

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return self._send(409, b'{"error": "You already created this model repo"}')
        visibility = asked.get("visibility") or ("private" if asked.get("private") else "public")
        self.server.repositories[name] = {"visibility": visibility, "files": {}}
        return self._json({"url": f"{self.server.url}/{name}", "name": name})

    def validate(self, body):
        self._json({"warnings": [], "errors": []})

    def preupload(self, body, name):
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self._json({"files": modes})

    def batch(self, body, name):
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.url}/blobs/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self._json({"objects": objects})

    def blob(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.blobs[oid] = body
        self._send(200, b"")

    def commit(self, body, name):
        files = self.server.repositories[name]["files"]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"]), None
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]], value["oid"]
        url = f"{self.server.url}/{name}/commit/{COMMIT}"
        self._json({"commitUrl": url, "commitOid": COMMIT, "success": True})

    def info(self, body, name):
        siblings = []
        for path, (content, oid) in self.server.repositories[name]["files"].items():
            lfs = {"lfs": {"sha256": oid, "size": len(content), "pointerSize": 1}} if oid else {}
            siblings.append({"rfilename": path, "size": len(content), "blobId": "0", **lfs})
        self._json({"id": name, "sha": COMMIT, "siblings": siblings})

    def tree(self, body, name):
        files = self.server.repositories[name]["files"].items()
        self._json(
            [{"type": "file", "path": path, "size": len(content), "oid": 40 * "0"} for path, (content, _) in files]
        )

    def resolve(self, body, name, path):
        content, oid = self.server.repositories[name]["files"][path]
        etag = oid or hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self._send(200, content, ETag=f'"{etag}"', X_Repo_Commit=COMMIT)


_ROUTES = {
    "/api/whoami-v2": _Handler.whoami,
    "/api/repos/create": _Handler.create,
    "/api/validate-yaml": _Handler.validate,
    "/api/models/(.+)/preupload/main": _Handler.preupload,
    "/(.+).git/info/lfs/objects/batch": _Handler.batch,
    "/blobs/(.+)": _Handler.blob,
    "/api/models/(.+)/commit/main": _Handler.commit,
    f"/api/models/(.+)/revision/{COMMIT}": _Handler.info,
    f"/api/models/(.+)/tree/{COMMIT}": _Handler.tree,
    f"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)": _Handler.resolve,
}
