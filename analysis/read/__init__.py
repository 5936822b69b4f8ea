"""What a tracking store holds of a sweep; no other room reads one."""
