"""A package shows the functions of its modules; their doctests run where they are written."""

collect_ignore_glob = ["odeopt/*/__init__.py"]
