"""A real Ray on this host: a head and two nodes in a network of their own, ended by pid."""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import environment, until
from pids import having, kill, line_of
from places import FAULTY

NODES = ("n1", "n2")
#: Of a network that has loopback alone, so that every port is free in it.
PORT = 6379


def lacking():
    """Why no such Ray can be started here, or an empty text."""
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:  # tests/ray/ is no Ray
        return "Ray is not installed here"
    if os.getuid() or not shutil.which("ip") or not shutil.which("unshare"):
        return "a network of its own needs root, ip and unshare"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return f"no network of its own here: {tried.stderr.strip()}" if tried.returncode else ""


class Ray:
    """A head without a core and two nodes of a core each, which see no folder of the tests.

    Parameters
    ----------
    hidden
        Folders that are empty for the nodes.
    """

    def __init__(self, hidden):
        # Its sockets have names, which must be short; and nodes have to see the gate.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.gate = self.folder / "gate"
        self.hidden = hidden
        #: Of the nodes and of whoever gives them work.
        self.environment = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        self._network = f"ray{os.getpid()}"
        self._mark = f"RAY_OF_TESTS={self.folder}"

    def inside(self, *line):
        """The words of a command that runs in the network."""
        return ["ip", "netns", "exec", self._network, *line]

    def begin(self):
        subprocess.run(["ip", "netns", "add", self._network], check=True)
        subprocess.run(self.inside("ip", "link", "set", "lo", "up"), check=True)
        head = ["--head", f"--port={PORT}", "--include-dashboard=false", "--num-cpus=0"]
        self._start("head", *head, f"--temp-dir={self.folder}")
        for node in NODES:
            self.begin_node(node)

    def begin_node(self, node):
        hide = "".join(f"mount -t tmpfs none {folder} && " for folder in self.hidden)
        hidden = ["unshare", "--mount", "sh", "-c", hide + 'exec "$@"', "sh"]
        self._start(node, f"--address=127.0.0.1:{PORT}", "--num-cpus=1", before=hidden)
        until(lambda: self._raylet(node))
        for folder in self.hidden:
            assert os.listdir(f"/proc/{self._raylet(node)}/root{folder}") == []

    def _start(self, node, *how, before=()):
        line = [sys.executable, "-m", "ray.scripts.scripts", "start", *how, "--num-gpus=0"]
        line += ["--object-store-memory=100000000", "--disable-usage-stats"]
        mark = dict(word.split("=") for word in (self._mark, f"NODE={node}"))
        names = {"PYTHONPATH": FAULTY, "GATE": str(self.gate)} | self.environment
        with open(self.folder / f"{node}.out", "a") as out:
            subprocess.run(
                self.inside(*before, *line), env=environment(**names, **mark), stdout=out,
                stderr=out, timeout=90, check=True, cwd=self.folder,
            )  # fmt: skip

    def _raylet(self, node):
        of_node = having(self._mark, f"NODE={node}")
        return next((pid for pid in of_node if "/raylet/raylet " in line_of(pid)), None)

    def kill_node(self, node):
        """End a node as a power cut does: its daemon, then all that it started."""
        kill(self._raylet(node))
        for pid in having(self._mark, f"NODE={node}"):
            kill(pid)

    def training(self):
        """The processes on all nodes that train."""
        return [pid for pid in having(self._mark) if "runner.work.remote.task" in line_of(pid)]

    def end(self):
        """End all that this started, and what it started itself."""
        while left := having(self._mark):
            for pid in left:
                kill(pid)
        subprocess.run(["ip", "netns", "delete", self._network], check=True)
        shutil.rmtree(self.folder)
