"""What the client of the Hugging Face hub reads of data sets and models, from a loopback server."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from gpt1.tasks import registry
from gpt1.tasks.formats.mapped import read_source_file

ADDRESS = re.compile(
    r"(/api)?/(?:datasets/|models/)?([^/]+/[^/]+)/(revision|tree|resolve)/([^/]+)/?(.*)"
)


def python(script: str, *arguments: str, files: dict[str, bytes], home: Path) -> str:
    """Run `script` in a process whose hub has `files`; return stdout."""
    with serving(files, home) as place:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | place,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def serving(files: dict[str, bytes], home: Path) -> Iterator[dict[str, str]]:
    """Serve `files` (OWNER/NAME@REVISION/PATH); yields variables for processes that read them.

    Other processes, because the hub's client reads the address when it is imported.
    """
    _Hub.files = files
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home)}
        hub.shutdown()


def task_tables(source: Path, name: str) -> dict[str, pa.Table]:
    """For each address in the source file of a task of the paper, three rows in its columns."""
    found, official = read_source_file(source), registry.TASKS[name]
    spelled = found.labels or official.raw_labels or official.task.labels or [4.5, 0.25]
    tables = {}
    for split in found.files:
        hidden = split == "diagnostic" or (split.startswith("test") and "glue" in found.at)
        label = -1.0 if official.task.shape == "regression" else -1
        targets = [label] * 3 if hidden else [*spelled[:2], spelled[-1]]
        for address in found.addresses(split).values():
            columns: dict[str, list[Any]] = {
                column: ["A.", "B.", "C."] for column in found.columns.values()
            }
            columns[found.columns["target"]] = [
                int(each) if str(each).isdigit() else each for each in targets
            ]
            if "choices" in found.columns:
                columns[found.columns["choices"]] = [["a", "b", "c", "d"]] * 3
            tables[address] = pa.table(columns)
    return tables


class _Hub(http.server.BaseHTTPRequestHandler):
    """Lists the files of a data set or model, and serves byte ranges of them."""

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
