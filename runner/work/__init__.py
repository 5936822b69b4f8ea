"""Workers: how they are started, what each does, how they are stopped."""
