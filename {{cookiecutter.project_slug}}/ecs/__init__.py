"""The user's side of a run on Amazon ECS: request, submit, follow, verdict, history.

Runs on the user's machine, called by the Makefile, which passes its variables in the environment.
Knows nothing of xgboost or scikit-learn; the container's side is in ``training/``.
"""
