"""The rooms of other libraries: each is imported only by its own module here."""
