"""The part of the Hugging Face hub by which its client reads a data set, as a loopback server."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

ADDRESS = re.compile(r"(/api)?/datasets/([^/]+/[^/]+)/(revision|tree|resolve)/([^/]+)/?(.*)")


def python(script: str, *arguments: str, files: dict[str, bytes], home: Path) -> str:
    """Run `script` in a process whose hub has `files` (OWNER/NAME@REVISION/PATH); return stdout.

    A separate process, because the hub's client reads the address when it is imported.
    """
    _Hub.files = files
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        place = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home)}
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | place,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        hub.shutdown()
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


class _Hub(http.server.BaseHTTPRequestHandler):
    """Lists a data set's files, and serves byte ranges of them."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        asked = ADDRESS.fullmatch(unquote(urlsplit(self.path).path))
        if not asked:
            return self.send_error(404)
        api, name, kind, revision, place = asked.groups()
        above = f"{name}@{revision}/"
        if api and kind == "revision":
            return self.answer(json.dumps({"id": name, "sha": "a" * 40}).encode())
        if api and kind == "tree":
            place = f"{place}/" if place else ""
            paths = {path.removeprefix(above) for path in self.files if path.startswith(above)}
            below = {path.removeprefix(place) for path in paths if path.startswith(place)}
            names = sorted({place + path.split("/")[0] for path in below})
            return self.answer(json.dumps([self.entry(above, path) for path in names]).encode())
        return self.answer(self.files[above + place])

    do_HEAD = do_GET  # noqa: N815

    def entry(self, above: str, path: str) -> dict[str, object]:
        if above + path not in self.files:
            return {"type": "directory", "path": path, "oid": "0"}
        return {"type": "file", "path": path, "size": len(self.files[above + path]), "oid": "0"}

    def answer(self, content: bytes) -> None:
        size = len(content)
        asked = self.headers.get("Range")
        self.send_response(206 if asked else 200)
        if asked:
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
            self.send_header("Content-Range", f"bytes {first}-{first + len(content) - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...
