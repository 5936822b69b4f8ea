"""A real Slurm on this host, with accounting: munge, a database, its daemon, a controller and node
daemons in one folder, ended by pid."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from commands import until
from pids import having, kill, name_of, parent_of

PROGRAMS = (
    "sbatch",
    "slurmctld",
    "slurmd",
    "munged",
    "mungekey",
    "slurmdbd",
    "mariadbd",
    "my_print_defaults",
)
#: What Debian calls them; the core of MariaDB is no service of the system.
PACKAGES = ("slurm-wlm", "munge", "slurmdbd", "mariadb-server-core", "mariadb-client-core")
NODES = ("n1", "n2", "n3")

#: cred_expire: a job that was queued again waits as long. The others: a host that is silent is dead
#: after some seconds, a job that may begin does so at once, and one that is over is soon forgotten.
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
MinJobAge=2
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs=2 RealMemory=2000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""

_DBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser={user}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
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
        self._begun = []

    def begin(self):
        for name in ("controller", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        port, user = _free_ports(2 + len(NODES)), getpass.getuser()
        of = {"folder": self.folder, "user": user, "dbd_port": port + 1 + len(NODES)}
        text = _CONF.format(
            host=socket.gethostname().partition(".")[0],
            port=port,
            nodes=f"n[1-{len(NODES)}]",
            ports=f"[{port + 1}-{port + len(NODES)}]",
            **of,
        )
        self.conf.write_text(text)
        key = f"--key-file={self.folder}/munge.key"
        self.do("mungekey", "--create", key.replace("key-", "key"))
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed")]
        at = self.folder / "munge.socket"
        self._keep("munged", "--foreground", "--force", key, f"--socket={at}", *files)
        until(at.exists, seconds=10)
        self._begin_accounting(user, _DBD_CONF.format(**of))
        self.do("slurmctld", "-f", str(self.conf), "-c")
        for node in NODES:
            self.begin_node(node)
        self.until_idle()

    def _begin_accounting(self, user, conf):
        """Start the database and its daemon; the cluster, and an account with this user."""
        file, at, data = self.folder / "slurmdbd.conf", self.folder / "database.socket", "database"
        file.touch(0o600)
        file.write_text(conf)
        how = ["--no-defaults", f"--datadir={self.folder / data}", f"--user={user}"]
        self.do("mariadb-install-db", *how, "--auth-root-authentication-method=normal")
        self._keep("mariadbd", *how, f"--socket={at}", "--skip-networking")
        until(at.exists, seconds=30)
        self._keep("slurmdbd", "-D", MYSQL_UNIX_PORT=str(at))
        until(lambda: self._accounts("show", "cluster") is not None, seconds=30)
        for words in (["cluster", "test"], ["account", "lab"], ["user", user, "account=lab"]):
            assert self._accounts("add", *words), words

    def _accounts(self, *words):
        """What `sacctmgr` printed; None where the daemon does not answer."""
        try:
            return self.do("sacctmgr", "--immediate", *words)
        except subprocess.CalledProcessError:
            return None

    def _keep(self, *line, **names):
        """Start a program that stays in the foreground."""
        with open(self.folder / f"{line[0]}.out", "wb") as out:
            begun = subprocess.Popen(line, env=self._all() | names, stdout=out, stderr=out)
        self._begun.append(begun)

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

    def forgot(self, job):
        """Whether the controller knows nothing of a job any more."""
        try:
            self.do("squeue", "--states=all", f"--jobs={job}")
        except subprocess.CalledProcessError:
            return True
        return False

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
        self._end_daemon(f"slurmd.{node}")

    def _end_daemon(self, name):
        pid = self._pid(name)
        kill(pid, signal.SIGTERM)
        until(lambda: name_of(pid) is None, seconds=30)

    def _pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def end(self):
        """End all that this started, and what it started itself."""
        for node in NODES:
            self.kill_node(node)
        self._end_daemon("slurmctld")
        for begun in reversed(self._begun):
            begun.terminate()
            begun.wait(timeout=20)


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
