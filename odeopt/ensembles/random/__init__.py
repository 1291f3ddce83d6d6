"""Random numbers of an ensemble: a stream for each member, the same for any number of workers."""
