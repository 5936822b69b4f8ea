"""What the fast engine computes: functions of DeZero's kind, and the layers that call them."""
