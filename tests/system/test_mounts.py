"""The kind of file system that a path is on: that of the nearest mount above it, the latest one."""

from pathlib import Path

import pytest

from runner.system.mounts import network_file_system

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:40 / /home rw,relatime shared:20 master:3 - nfs4 server:/home rw,vers=4.2
41 40 8:2 / /home/me/local rw,noatime - xfs /dev/sdb rw
42 22 0:42 / /mnt/my\040files rw - fuse.sshfs host:/files rw
43 22 0:43 / /scratch rw - lustre mds@tcp:/scratch rw,flock
44 22 0:44 / /overmounted rw - nfs4 server:/x rw
45 44 0:45 / /overmounted rw - tmpfs tmpfs rw
46 22 0:46 / /fuse rw - fuse.bindfs /home/me rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/mlflow.db", None),
        ("/home/me/root/mlflow.db", "nfs4"),
        ("/homes/mlflow.db", None),
        ("/home/me/local/mlflow.db", None),
        ("/mnt/my files/mlflow.db", "fuse.sshfs"),
        ("/scratch/not/there/yet/mlflow.db", "lustre"),
        ("/overmounted/mlflow.db", None),
        ("/fuse/mlflow.db", None),
    ],
)
def test_the_nearest_mount_says_whether_a_path_is_on_a_network_file_system(path, kind, tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.lstrip())
    assert network_file_system(Path(path), table) == kind


def test_without_a_table_of_mounts_nothing_is_seen(tmp_path):
    assert network_file_system(tmp_path, tmp_path / "no table") is None
