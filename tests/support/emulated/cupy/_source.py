from pathlib import Path

import runner

#: The kernels that are emulated; found without importing what imports CuPy.
PATH = str(Path(runner.__file__).resolve().parent / "engine" / "gpu" / "kernels.cu")
