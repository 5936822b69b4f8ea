from pathlib import Path

import runner

#: The kernels that are emulated, located without an import of a module that imports CuPy.
PATH = str(Path(runner.__file__).resolve().parent / "engine" / "gpu" / "kernels.cu")
