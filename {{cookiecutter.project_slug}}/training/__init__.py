"""What training needs beside the model: arguments, data, storage, metrics, artifacts.

Knows no machine learning library: train.py and predict.py do.
"""
