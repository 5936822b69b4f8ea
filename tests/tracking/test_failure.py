"""What came of a call to the store is said as it was: an outage is called one, nothing else is."""

import errno
import http.server
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest
from commands import attempt_of
from filelock import FileLock
from mlflow import MlflowClient
from replays import writer_of

from runner.state.root import Root
from runner.tracking.store import address, calls, sqlite
from runner.tracking.writer import WriterThread

pytest_plugins = "roots"


@pytest.fixture
def writer(main_job, new_root):
    """A writer of a sweep that is trained, to an empty store."""
    return writer_of(new_root(state=main_job.root))


@contextmanager
def answering(status, body):
    """The address of a server that has one answer to every request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:  # a thread whose server is closed under it would run on without a pause
            server.shutdown()


def asked(status, body=b"", call=lambda client: client.get_run("0" * 32)):
    with answering(status, body) as uri:
        call(MlflowClient(uri))


def uploaded(status, path):
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    with answering(status, b"no") as uri:
        HttpArtifactRepository(f"{uri}/api/2.0/mlflow-artifacts/artifacts").log_artifact(str(path))


def refused_connection():
    with answering(200, b"") as uri:
        pass
    return uri


def within_the_store(writer, error):
    with writer.tracker.client._tracking_client.store.ManagedSessionMaker():
        raise error


def too_long(writer):
    run = writer.tracker.client.create_run(writer.tracker.experiment_id)
    writer.tracker.client.log_param(run.info.run_id, "model.kind", "x" * 6001)


def of_sqlite(statement, path):
    with closing(sqlite3.connect(path)) as file:
        file.execute(statement)


AWAY = r"the store went away \("
REFUSES = r"the store refuses it \("


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda w, tmp: address.probe(refused_connection(), Root(tmp)), AWAY),
        (lambda w, tmp: MlflowClient(refused_connection()).get_run("0" * 32), AWAY),
        (lambda w, tmp: asked(503), AWAY),
        (lambda w, tmp: asked(500, b'{"error_code": "INTERNAL_ERROR", "message": "?"}'), AWAY),
        (lambda w, tmp: asked(400, b'{"error_code": "INVALID_PARAMETER_VALUE"}'), REFUSES),
        (lambda w, tmp: asked(403, b'{"error_code": "PERMISSION_DENIED"}'), REFUSES),
        (lambda w, tmp: uploaded(503, __file__), AWAY),
        (lambda w, tmp: uploaded(403, __file__), REFUSES),
        (lambda w, tmp: too_long(w), REFUSES + ".*6000"),
        (lambda w, tmp: sqlite.wait_to_write(tmp / "gone.db", 0.1), AWAY + "unable to open"),
        (
            lambda w, tmp: within_the_store(w, TypeError("'int' object is not iterable")),
            r"it could not be recorded \(TypeError: 'int' object is not iterable\)$",
        ),
        (lambda w, tmp: {}["gone"], r"it could not be recorded \(KeyError: 'gone'\)$"),
        (lambda w, tmp: open(tmp / "no" / "file"), r"/.*/no/file cannot be used \(No such file"),
        (lambda w, tmp: os_error(errno.EACCES, "/x"), r"/x cannot be used \(Permission denied\)$"),
        (lambda w, tmp: os_error(errno.EMFILE), r"it could not be recorded \(OSError: .*many open"),
        (lambda w, tmp: of_sqlite("select * from nowhere", tmp / "a.db"), AWAY),
        (lambda w, tmp: os_error(errno.ENOSPC, "/x"), r"the store's disk is full \("),
        (lambda w, tmp: locked_twice(tmp / "lock"), "the store is kept locked by another process"),
    ],
)
def test_a_failed_call_is_said_to_be_what_it_was(call, expected, writer, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Exception) as caught:
        call(writer, tmp_path)
    assert re.match(expected, calls.failure(caught.value)), calls.failure(caught.value)


def os_error(number, path=None):
    raise OSError(number, os.strerror(number), path)


def locked_twice(path):
    with FileLock(path):
        FileLock(path, timeout=0).acquire()


def test_a_file_in_the_place_of_the_artifacts_is_named(writer):
    artifacts = writer.tracker.root.artifacts
    shutil.rmtree(artifacts)
    artifacts.touch()
    thread = WriterThread(writer)
    assert thread.finish("FINISHED") == "8 runs are"
    assert thread.trouble.startswith(f"{artifacts}") and "cannot be used (" in thread.trouble


def test_artifacts_that_are_removed_while_a_sweep_trains_are_made_again(writer):
    shutil.rmtree(writer.tracker.root.artifacts)
    assert WriterThread(writer).finish("FINISHED") is None


def test_a_folder_of_a_run_that_is_removed_while_a_sweep_trains_is_named(writer):
    key = next(iter(writer.journals.look()))
    gone = attempt_of(writer.tracker.root.path, key)
    shutil.rmtree(gone.path)
    thread = WriterThread(writer)
    assert thread.finish("FINISHED") is None
    assert list(writer.refused) == [key] and str(gone.path) in writer.refused[key]
