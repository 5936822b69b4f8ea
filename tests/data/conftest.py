"""Data sets without a network: every mirror is on the loopback address."""

import contextlib
import http.server
import socket
import threading
from dataclasses import replace

import pytest
import small_mnist

from runner.data.catalogue import CATALOGUE, IdxSource


@pytest.fixture(scope="session")
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch, tmp_path, closed_port):
    for name in (
        "MNIST_ROOT",
        "FASHION_MNIST_ROOT",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    closed = (f"http://127.0.0.1:{closed_port}/a/", f"http://127.0.0.1:{closed_port}/b/")
    for name, entry in list(CATALOGUE.items()):
        if isinstance(entry.source, IdxSource):
            source = replace(entry.source, mirrors=closed, folders=())
            monkeypatch.setitem(CATALOGUE, name, replace(entry, source=source))
    look_up = socket.getaddrinfo

    def guarded(host, *rest, **options):
        assert host == "127.0.0.1", f"a test asked for {host}"
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)


@pytest.fixture
def small(monkeypatch):
    """Call with mirrors to make the synthetic files the right MNIST."""

    def pin(*mirrors):
        entry = small_mnist.entry(*(mirrors or CATALOGUE["mnist"].source.mirrors))
        monkeypatch.setitem(CATALOGUE, "mnist", entry)
        return entry.sha256

    return pin


@pytest.fixture
def serve():
    """Call with {file name: bytes or callable(handler)}; a mirror's URL and its requests."""
    with contextlib.ExitStack() as stack:

        def start(pages):
            asked = []

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    asked.append(self.path[1:])
                    page = pages.get(self.path[1:])
                    if callable(page):
                        page(self)
                        return
                    self.send_response(404 if page is None else 200)
                    self.send_header("Content-Length", str(len(page or b"")))
                    self.end_headers()
                    self.wfile.write(page or b"")

                def log_message(self, *_):
                    pass

            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.daemon_threads = True
            server.block_on_close = False
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}/", asked

        yield start
