"""What may be configured: the schema of every knob, its rules, and what may be typed."""
