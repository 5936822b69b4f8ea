"""What a command asks of Ray, checked before anybody is asked."""

from dataclasses import dataclass

from runner.errors import ConfigError

_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Asked:
    """`hydra.launcher.*`; hydra_plugins/ray_launcher.py says what each is, and gives defaults."""

    address: str | None = None
    tasks: int = 0
    cpus: int = 1
    gpus: int = 0
    memory: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is a Ray of the sweep's own, on this machine."""
        return self.address in (None, "local")

    @property
    def memory_bytes(self) -> int | None:
        """`memory`, as a number."""
        if self.memory is None:
            return None
        text = self.memory.upper().removesuffix("B")
        unit = text[-1:] if text[-1:] in _SIZES else ""
        digits = text.removesuffix(unit)
        if not digits.isdecimal():
            raise ConfigError(f"hydra.launcher.memory={self.memory}: allowed is such as 4G")
        return int(digits) * _SIZES[unit]

    def check(self, device: str) -> None:
        """Refuse what cannot be meant.

        Raises
        ------
        ConfigError
        """
        for name, least in {"tasks": 0, "cpus": 1, "gpus": 0}.items():
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"hydra.launcher.{name}={value}: allowed are {least} and above")
        _ = self.memory_bytes
        if self.gpus and device != "gpu":
            raise ConfigError(
                f"hydra.launcher.gpus={self.gpus}: nobody asks the cards of another machine; with"
                " GPUs type device=gpu, too"
            )
        if device == "gpu" and not self.gpus:
            raise ConfigError(
                "device=gpu: Ray gives a task the cards that it asks for; type"
                " hydra.launcher.gpus=1, too"
            )
        if (self.address or "").startswith("ray://"):
            raise ConfigError(
                f"hydra.launcher.address={self.address}: Ray's client has no streams; type this on"
                " a node of the cluster, with address=auto"
            )
