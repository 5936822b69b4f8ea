"""A real Slurm on this host: munge, a controller and node daemons in one folder, ended by pid."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from commands import until
from pids import having, kill, name_of, parent_of

PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged", "mungekey")
#: What Debian calls them.
PACKAGES = ("slurm-wlm", "munge")
NODES = ("n1", "n2", "n3")

#: cred_expire: a job that was queued again waits as long. The others: a host that is silent is dead
#: after some seconds, and a job that may begin does so at once.
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=1,bf_interval=1
SlurmctldTimeout=5
SlurmdTimeout=5
KillWait=5
MinJobAge=60
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs=2 RealMemory=2000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def install():
    """Install what is lacking where this user may; why it is not there, or an empty text."""
    if _lacking() and os.getuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            line = ["apt-get", "-qq", *words]
            subprocess.run(line, env=environment, capture_output=True, check=False, timeout=240)
    lacking = _lacking()
    return f"not installed here: {', '.join(lacking)}" if lacking else ""


def _lacking():
    places = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=places)]


class Slurm:
    """A controller and three nodes of two cores each."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.conf = self.folder / "slurm.conf"
        self.environment = {
            "SLURM_CONF": str(self.conf),
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        }
        self._munged = None

    def begin(self):
        for name in ("controller", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        port = _free_ports(1 + len(NODES))
        text = _CONF.format(
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            folder=self.folder,
            port=port,
            nodes=f"n[1-{len(NODES)}]",
            ports=f"[{port + 1}-{port + len(NODES)}]",
        )
        self.conf.write_text(text)
        key = f"--key-file={self.folder}/munge.key"
        self.do("mungekey", "--create", key.replace("key-", "key"))
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed")]
        at = self.folder / "munge.socket"
        line = ["munged", "--foreground", "--force", key, f"--socket={at}", *files]
        with open(self.folder / "munged.out", "wb") as out:
            self._munged = subprocess.Popen(line, env=self._all(), stdout=out, stderr=out)
        until(at.exists, seconds=10)
        self.do("slurmctld", "-f", str(self.conf), "-c")
        for node in NODES:
            self.begin_node(node)
        self.until_idle()

    def _all(self):
        return os.environ | self.environment

    def begin_node(self, node, hides=None):
        """Start the daemon of a node, perhaps on a host on which a folder is another one."""
        line = ["slurmd", "-f", str(self.conf), "-N", node]
        if hides:
            mount = f"mount -t tmpfs none {hides} && exec {' '.join(line)}"
            line = ["unshare", "--mount", "sh", "-c", mount]
        self.do(*line)

    def until_idle(self):
        """Wait until every node is free."""
        free = lambda: self.do("sinfo", "-h", "-p", "main", "-o", "%T %D").split() == ["idle", "3"]  # noqa: E731
        until(free, seconds=60)

    def do(self, *words):
        """What a command of Slurm's printed."""
        # Into a file: a daemon keeps what it inherits, and a pipe would not end.
        with open(self.folder / "done.out", "w+") as out:
            subprocess.run(words, env=self._all(), stdout=out, stderr=out, timeout=60, check=True)
            out.seek(0)
            return out.read()

    def jobs(self, form="%i %T"):
        """A line for each task that has not ended."""
        return self.do("squeue", "-h", "-r", "-o", form).splitlines()

    def running(self):
        """The node of each task that runs, by its index."""
        return dict(
            line.split() for line in self.do("squeue", "-hr", "-tR", "-o%K %N").splitlines()
        )

    def kill_node(self, node):
        """End a node as a power cut does: its daemon, then all that it started."""
        kill(self._pid(f"slurmd.{node}"))
        workers = having(f"SLURMD_NODENAME={node}", f"SLURM_CONF={self.conf}")
        steps = {parent_of(pid) for pid in workers}
        for pid in [*(step for step in steps if name_of(step) == "slurmstepd"), *workers]:
            kill(pid)

    def end_node(self, node):
        """End the daemon of a node that has no work."""
        pid = self._pid(f"slurmd.{node}")
        kill(pid, signal.SIGTERM)
        until(lambda: name_of(pid) is None, seconds=10)

    def _pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def end(self):
        """End all that this started, and what it started itself."""
        for node in NODES:
            self.kill_node(node)
        kill(self._pid("slurmctld"), signal.SIGTERM)
        self._munged.terminate()
        self._munged.wait(timeout=10)


def _free_ports(n):
    """The first of n ports in a row that nobody has."""
    for first in range(26_000, 32_000, n):
        try:
            for port in range(first, first + n):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise AssertionError("no free ports")
