"""From contrasts to verdicts, and what they rest on."""
