"""Where Hydra enters: composes the configuration and hands it to a worker or to a single run."""

import sys
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from runner import config as configs

HERE = Path(__file__).resolve().parent
#: Where conf/ and sweeps/ are: inside the package when installed from a wheel, beside it in a checkout.
FOLDER = HERE if (HERE / "conf").is_dir() else HERE.parent


class SweepsPath(SearchPathPlugin):
    """Makes the folder sweeps/ a group of its own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("sweeps", f"file://{FOLDER}")


def register() -> None:
    """Make the schema and sweeps/ known to Hydra."""
    Plugins.instance().register(SweepsPath)
    configs.register()


@hydra.main(version_base="1.3", config_path=str(FOLDER / "conf"), config_name="config")
def main(composed: DictConfig) -> None:
    """What Hydra calls: in a worker of a launcher, or for a command without `-m`."""
    if composed.worker.plan is not None:
        from runner.worker import work

        work(Path(composed.worker.plan), composed.worker.launch)
        return
    from runner import single

    sys.exit(single.train(configs.checked(composed), list(HydraConfig.get().overrides.task)))


register()
