"""Workers on hosts that see nothing of the root: the sweep's process alone writes `state/`."""
