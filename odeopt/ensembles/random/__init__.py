"""Random numbers of an ensemble, the same for any number of workers."""
