"""A server on this machine that speaks Anthropic's and OpenAI's protocols, answers by a script, and misbehaves.

    with StubModels(brain) as stub:
        stub.url                       # http://127.0.0.1:PORT, and PORT/v1 for OpenAI's protocol
        stub.trouble = [Trouble(status=429, headers={"retry-after": "0.2"})]     # for the next requests, one each
        stub.seen                      # every request: path, headers, body

`brain(Question)` returns the answer as an object, or a string that is sent as it is.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Question(NamedTuple):
    """What a request asks."""

    system: str
    user: str
    """The last turn of the user."""
    form: str
    """The name of the schema."""
    turns: int

    def block(self, name: str) -> list[Any]:
        """The rows of data between tags."""
        inner = re.search(rf"^<{name}>\n(.*?)^</{name}>$", self.user, re.MULTILINE | re.DOTALL)
        assert inner is not None, f"no {name} in {self.user}"
        return [json.loads(line) for line in inner[1].splitlines()]


class Trouble(NamedTuple):
    """What one request gets instead of an answer, or beside it."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: str | None = None
    """Sent as it is; None for the answer, or an error that gives the key back."""
    text: str | None = None
    """What the model wrote, instead of what the brain says."""
    stop: str | None = None
    """Why it stopped: in each protocol's own word, `cut` or `refused`."""
    seconds: float = 0.0
    """Before anything is sent."""
    no_usage: bool = False


class Seen(NamedTuple):
    """A request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float


class StubModels:
    """The server, while the block lasts."""

    def __init__(self, brain: Callable[[Question], Any]) -> None:
        self.brain = brain
        self.trouble: list[Trouble] = []
        self.always: Trouble | None = None
        self.seen: list[Seen] = []
        self.under_way = self.most_under_way = 0
        self.embed: Callable[[str], list[float]] = lambda text: [float(len(text)), 1.0]
        self._lock = threading.Lock()
        self._ended = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that was killed, or lost patience

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "StubModels":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        with self._lock:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.seen.append(Seen(request.path, headers, body, time.monotonic()))
            trouble = self.trouble.pop(0) if self.trouble else self.always or Trouble()
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            self._ended.wait(trouble.seconds)
            told = self._told(request.path, body, trouble, headers)
        finally:
            with self._lock:
                self.under_way -= 1
        request.send_response(trouble.status)
        for name, value in {"content-type": "application/json", **trouble.headers}.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(told)))
        request.end_headers()
        request.wfile.write(told)

    def _told(self, path: str, body: dict[str, Any], trouble: Trouble, headers: Mapping[str, str]) -> bytes:
        if trouble.body is not None:
            return trouble.body.encode()
        if trouble.status != 200:
            key = headers.get("authorization", headers.get("x-api-key", ""))
            return json.dumps({"error": {"type": "trouble", "message": f"not with {key.split(' ')[-1]}"}}).encode()
        answers = {"/v1/messages": _anthropic, "/v1/chat/completions": _openai}
        if path == "/v1/embeddings":
            rows = [{"index": at, "embedding": self.embed(text)} for at, text in enumerate(body["input"])]
            return json.dumps({"data": rows[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}}).encode()
        text = trouble.text
        if text is None:
            said = self.brain(_question(path, body))
            text = said if isinstance(said, str) else json.dumps(said)
        told = answers[path](text, trouble.stop)
        if trouble.no_usage:
            del told["usage"]
        return json.dumps(told).encode()


INPUT_TOKENS, OUTPUT_TOKENS = 1000, 100
"""What every reply says that it took."""


def _question(path: str, body: dict[str, Any]) -> Question:
    turns = [(turn["role"], turn["content"]) for turn in body["messages"]]
    if path == "/v1/messages":
        assert isinstance(body["max_tokens"], int)
        assert all(role in ("user", "assistant") for role, _ in turns)
        form = body["output_config"]["format"]["schema"]["title"]
        return Question(body["system"], turns[-1][1], form, len(turns))
    form = body["response_format"]["json_schema"]["name"]
    return Question(turns[0][1], turns[-1][1], form, len(turns) - 1)


def _anthropic(text: str, stop: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "stub",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": text}],
        "stop_reason": {None: "end_turn", "cut": "max_tokens", "refused": "refusal"}[stop],
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }  # fmt: skip


def _openai(text: str, stop: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if stop == "refused":
        message |= {"content": None, "refusal": "no"}
    finish = "length" if stop == "cut" else "stop"
    return {
        "id": "c1", "object": "chat.completion", "created": 0, "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": 0},
    }  # fmt: skip
