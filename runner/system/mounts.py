"""Which kind of file system a folder is on, as far as the kernel tells."""

import re
from pathlib import Path

#: Kinds of file systems whose files lie on other machines, as Linux names them.
_NETWORK = {
    "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs",
    "panfs", "smb3", "smbfs", "wekafs",
    *(f"fuse.{name}" for name in (
        "afp", "beegfs", "ceph-fuse", "curlftpfs", "davfs", "gcsfuse", "glusterfs", "goofys",
        "juicefs", "rclone", "s3fs", "smbnetfs", "sshfs",
    )),
}  # fmt: skip
_TABLE = Path("/proc/self/mountinfo")


def network_file_system(path: Path, table: Path = _TABLE) -> str | None:
    """The kind of the network file system that a path is on, such as `nfs4`.

    None where it is on none, or where the system has no table of mounts (all but Linux).
    """
    path = path.resolve()
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    nearest, kind = Path(), ""
    for line in lines:
        # See proc(5): any number of fields stands before the dash, and the kind after it.
        before, _, after = line.partition(" - ")
        octal = before.split(" ")[4]
        place = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), octal))
        # Of two mounts at one place the later one is seen.
        if path.is_relative_to(place) and len(place.parts) >= len(nearest.parts):
            nearest, kind = place, after.split(" ")[0]
    return kind if kind in _NETWORK else None
