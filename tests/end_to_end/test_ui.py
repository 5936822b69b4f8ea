"""MLflow's own pages: on the loopback address alone, and showing a sweep's runs to a person."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from commands import descendants, environment, free_port, is_alive, status_of, until

from runner.server.mlflow_server import command

pytest_plugins = "roots"

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=2400,1400",
)


def test_the_server_is_started_with_the_hardened_flags():
    words = command("sqlite:////r/mlflow.db", "/r/mlartifacts", 5123)
    assert words[:4] == [sys.executable, "-m", "mlflow", "server"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options == {
        "--host": "127.0.0.1",
        "--port": "5123",
        "--workers": "1",
        "--allowed-hosts": "localhost:5123,127.0.0.1:5123",
        "--x-frame-options": "DENY",
        "--uvicorn-opts": "--log-level=warning",
        "--backend-store-uri": "sqlite:////r/mlflow.db",
        "--artifacts-destination": "/r/mlartifacts",
    }


def test_without_a_store_there_is_nothing_to_show_and_nothing_is_made(tmp_path):
    line = [sys.executable, "-m", "runner.ui", "--root", tmp_path]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("runner.ui: ") and "train something first" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def pages(main_job):
    """The pages of the main job's store: where they are, and the process that shows them."""
    port = free_port()
    line = [sys.executable, "-m", "runner.ui", "--root", main_job.root, "--port", str(port)]
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
        cwd=main_job.root,
    )
    try:
        until(lambda: process.poll() is not None or status_of(f"http://127.0.0.1:{port}/health"))
        # The server says its own beside them.
        told = (line.split()[-1] for line in process.stdout if "/#/experiments/" in line)
        links = [next(told) for _ in range(3)]
        address = f"http://127.0.0.1:{port}"
        yield SimpleNamespace(address=address, port=port, process=process, links=links)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:PORT", 200),
        ("localhost:PORT", 200),
        ("evil.example.com", 403),
        ("10.evil.com", 403),
    ],
)
def test_only_this_machines_own_names_are_answered(pages, host, status):
    assert status_of(pages.address, host.replace("PORT", str(pages.port))) == status


@pytest.fixture
def browser(tmp_path):
    if not (BROWSER and DRIVER):
        pytest.skip(
            "no chromium and chromedriver on the PATH (apt-get install chromium chromium-driver)"
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    yield driver
    driver.quit()


@pytest.mark.browser
def test_a_person_who_opens_the_links_sees_the_sweep_by_cell_its_curves_and_all_sweeps(
    pages, browser
):
    def elements(path):
        return browser.find_elements("xpath", path)

    def shown(path, n=1):
        return until(lambda: len(elements(path)) >= n and elements(path), seconds=60)

    runs, curves, sweeps = pages.links
    browser.get(runs)
    cells = "//*[@role='gridcell']//*[starts-with(text(), 'Group: ') or contains(., 'Group: ')]"
    shown(cells, 4)
    assert elements("//*[contains(., '8 matching runs')]")
    for channels in (1, 3):
        for dropout in ("true", "false"):
            assert elements(f"//*[@title='channels={channels} dropout={dropout}']")
    assert elements("//*[@role='columnheader'][contains(., 'test/accuracy')]")
    browser.get("about:blank")
    browser.get(curves)
    shown("//*[contains(@class, 'js-plotly-plot')]")
    browser.get("about:blank")
    browser.get(sweeps)
    shown("//a[contains(., 'channels x dropout')]")
    assert not elements("//a[contains(., 'seed=')]")


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")
def test_the_pages_end_with_the_process_that_shows_them(pages):
    below = descendants(pages.process.pid)
    assert len(below) >= 1
    os.kill(pages.process.pid, signal.SIGTERM)
    assert pages.process.wait(timeout=20) == 0
    until(lambda: not any(is_alive(pid) for pid in below), seconds=10)
    assert status_of(pages.address) is None


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGHUP, marks=pytest.mark.long), signal.SIGKILL]
)
def test_the_server_ends_with_its_terminal_and_with_its_parent(number, main_job):
    port = free_port()
    line = [sys.executable, "-m", "runner.ui", "--root", main_job.root, "--port", str(port)]
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    until(lambda: status_of(f"http://127.0.0.1:{port}/health") == 200)
    below = descendants(process.pid)
    assert below
    process.send_signal(number)
    assert process.wait(timeout=20) == (0 if number == signal.SIGHUP else -signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in below), seconds=20)
    assert status_of(f"http://127.0.0.1:{port}/health") is None


@pytest.mark.parametrize("port", ["0", "-1", "70000", "taken"])
def test_a_port_that_cannot_be_served_on_is_refused_before_an_address_is_shown(port, main_job):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = str(other.getsockname()[1]) if port == "taken" else port
        line = [sys.executable, "-m", "runner.ui", "--root", main_job.root, f"--port={number}"]
        ended = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"runner.ui: --port={number}: ")
    assert ended.stderr.count("\n") == 1
