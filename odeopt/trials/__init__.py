"""Which optimizer? Each is tuned with the same effort, and compared with what chance does to it."""
