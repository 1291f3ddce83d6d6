"""Small tools without mathematics: checks of arguments, files, progress, threads, and how a run ended."""
