"""Where Hydra enters: composes the configuration and hands it to a worker or to a single run."""

import os
import re
import sys
from pathlib import Path

import hydra
import yaml  # type: ignore[import-untyped]  # OmegaConf's own
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from runner.config import own, schema
from runner.config.checks import checked
from runner.config.schema import Config
from runner.errors import ConfigError
from runner.system.command import as_typed
from runner.system.files import values_folder

#: Where conf/ and sweeps/ are.
FOLDER = values_folder()
_MAX_YAML_BYTES = 1_000_000
_MAX_FILES = 10_000


class SweepsSource(FileConfigSource):
    """A folder of which only sweeps/ is a group: plan/ beside it has nothing to do with `plan`."""

    @staticmethod
    def scheme() -> str:
        return "sweeps"

    def available(self) -> bool:
        return self.is_group(self.scheme())

    def is_group(self, config_path: str) -> bool:
        return config_path.split("/")[0] == self.scheme() and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        return config_path.split("/")[0] == self.scheme() and super().is_config(config_path)


class SweepsPath(SearchPathPlugin):
    """Makes the folder sweeps/ a group of its own, and has the user's conf/ and sweeps/ found.

    What ships comes first: a file of the user's does not replace one of the same name.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("sweeps", f"sweeps://{FOLDER}")
        for place in own.search_path():
            search_path.append("own", place)


def register() -> None:
    """Make the schema and sweeps/ known to Hydra."""
    Plugins.instance().register(SweepsSource)
    Plugins.instance().register(SweepsPath)
    schema.register()


@hydra.main(version_base="1.3", config_path=str(FOLDER / "conf"), config_name="config")
def main(composed: DictConfig) -> None:
    """What Hydra calls: in a worker of a launcher, or for a command without `-m`.

    conf/config.yaml switches Hydra's own log and folders off, so that a refused command leaves
    nothing behind.
    """
    if composed.worker.plan is not None:
        from runner.work.worker import work

        given = composed.worker
        work(Path(given.plan), given.launch, given.threads)
        return
    from runner.orchestrator import sweep
    from runner.plan import grid
    from runner.work.launch import LocalWorkers
    from runner.work.launcher import Local

    try:
        config = checked(composed)
        typed = list(HydraConfig.get().overrides.task)
        of_one = grid.of_one(config, typed, HydraConfig.get().runtime.choices)
        workers = LocalWorkers(config.runner.workers)
        try:
            local = Local(workers.start, start_early=workers.start_early)
            code = sweep(of_one, as_typed("runner"), local)
        finally:
            workers.end()
    except Exception as error:
        # Hydra prints a line of its own for any other error, with every override and its secrets.
        raise SystemExit(1) from error
    sys.exit(code)


def compose(*typed: str) -> Config:
    """The configuration of a command with these overrides, for training without a command line."""
    with hydra.initialize_config_dir(str(FOLDER / "conf"), version_base="1.3"):
        return checked(hydra.compose("config", list(typed)))


def check_files(folder: str | None) -> None:
    """Refuse YAML that takes forever or does more than give values, before Hydra reads any.

    Parameters
    ----------
    folder
        Of `--config-dir`, looked at beside conf/ and sweeps/.

    Raises
    ------
    ConfigError
        For a huge file, a tag such as `!!python/name:os.system`, or anchors, a few lines of which
        can fill the memory.
    """
    places = [FOLDER / "conf", FOLDER / "sweeps", *own.folders()]
    for place in (*places, *([Path(folder)] if folder else [])):
        for file in _yaml_files(place):
            own.check_name(place, file)
            if not file.is_file():
                raise ConfigError(f"{file}: not a file")
            if file.stat().st_size > _MAX_YAML_BYTES:
                raise ConfigError(
                    f"{file}: larger than {_MAX_YAML_BYTES} bytes; a file of values is small"
                )
            text = file.read_bytes()
            if not re.search(rb"[&*!]", text):
                continue
            try:
                for event in yaml.parse(text):
                    if getattr(event, "anchor", None) or getattr(event, "tag", None):
                        raise ConfigError(
                            f"{file}: anchors and tags are not allowed; write the values out"
                        )
            except yaml.YAMLError as error:
                raise ConfigError(f"{file}: {' '.join(str(error).split())}") from error


def _yaml_files(folder: Path) -> list[Path]:
    """The YAML files below a folder of configuration, which has few files.

    Raises
    ------
    ConfigError
        For a folder such as `/`, before all of it is looked at.
    """
    found, n_seen = [], 0
    for place, _, names in os.walk(folder):
        n_seen += 1 + len(names)
        if n_seen > _MAX_FILES:
            raise ConfigError(
                f"{folder}: holds more than {_MAX_FILES} files; --config-dir is a folder of YAML"
                " files"
            )
        found += [Path(place) / name for name in names if name.endswith(".yaml")]
    return sorted(found)


register()
