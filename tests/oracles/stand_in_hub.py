"""A HuggingFace hub on this machine: enough of its addresses to list, download and commit files of model repositories.

    with stand_in_hub() as hub:
        hub.repositories["owner/name"] = {"config.yaml": b"..."}
        Hub(hub.address, cache)

`asked` holds the paths of the files that were downloaded. A repository called `closed/...` asks for a licence.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    address: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # or a kept connection would outlive the server
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def found(self, repository: str) -> dict[str, bytes] | None:
        files = self.told.repositories.get(repository)
        if files is None:
            self.answer(404, X_Error_Code="RepoNotFound")
        elif repository.startswith("closed/"):
            self.answer(403, X_Error_Code="GatedRepo")
            return None
        return files

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            files = self.found("/".join(parts[2:4]))
            if files is None:
                return
            if len(parts) > 5 and parts[5] not in ("main", COMMIT):
                self.answer(404, X_Error_Code="RevisionNotFound")
                return
            siblings = [{"rfilename": name} for name in files]
            body = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings}
            self.answer(200, json.dumps(body).encode(), Content_Type="application/json")
            return
        files, name = self.found("/".join(parts[:2])), "/".join(parts[4:])
        if files is None:
            return
        if name not in files:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            return
        if self.command == "GET":
            self.told.asked.append(name)
        data = files[name]
        tag = f'"{hashlib.sha1(data).hexdigest()}"'
        self.answer(200, data, ETag=tag, X_Repo_Commit=COMMIT)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        repository = "/".join(parts[2:4])
        if parts[:2] == ["api", "validate-yaml"]:
            answer: dict[str, object] = {"errors": [], "warnings": []}
        elif parts[:3] == ["api", "repos", "create"]:
            made = json.loads(body)
            name = f"{made.get('organization') or 'me'}/{made['name']}"
            self.told.repositories.setdefault(name, {})
            answer = {"url": f"{self.told.address}/{name}"}
        elif parts[4] == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            ways = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]
            answer = {"files": ways}
        else:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    data = base64.b64decode(line["value"]["content"])
                    self.told.repositories[repository][line["value"]["path"]] = data
            address = f"{self.told.address}/{repository}/commit/{COMMIT}"
            answer = {"success": True, "commitUrl": address, "commitOid": COMMIT, "hookOutput": ""}
        self.answer(200, json.dumps(answer).encode(), Content_Type="application/json")


@contextmanager
def stand_in_hub() -> Generator[StandIn]:
    told = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"told": told}))
    told.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
