"""What the operating system gives: files that appear whole, limits, streams; and where it fails."""
