"""What training needs beside the model: arguments, tables, checkpoints, metrics, results.

Local files only, and only library/ knows the machine learning library. Any function may raise a
UserError, which is one sentence for the user; a docstring names other errors.
"""
