"""How a text is typed in an override so that Hydra and OmegaConf leave it as it is."""

import re


def literal(text: str) -> str:
    """A text as OmegaConf's interpolation leaves it: itself."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def quoted(text: str) -> str:
    """A text as Hydra's override grammar and then OmegaConf's interpolation leave it: itself."""
    # Both take backslashes as they are, but for those before `${` (OmegaConf) and before a quote
    # (Hydra).
    return (
        "'"
        + re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), literal(text))
        + "'"
    )
