"""Small tools without mathematics: checks of arguments, files, progress bars, threads, and the status of runs."""
