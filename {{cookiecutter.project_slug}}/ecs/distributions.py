"""Which package has a module: what `make add PACKAGE=…` takes is not always what a script imports."""

import re

# Distributions whose modules have another name.
DISTRIBUTIONS = {
    "Crypto": "pycryptodome", "MySQLdb": "mysqlclient", "OpenSSL": "pyopenssl", "PIL": "pillow",
    "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "faiss": "faiss-cpu", "fitz": "pymupdf", "git": "gitpython",
    "google": "google-api-core", "imblearn": "imbalanced-learn", "jwt": "pyjwt", "magic": "python-magic",
    "osgeo": "gdal", "psycopg2": "psycopg2-binary", "serial": "pyserial", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip


def normal(name: str) -> str:
    """Return a distribution's name as all spellings of it have in common (PyPA's name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(module: str) -> str:
    """Return the distribution that most likely has a module, given by its first name."""
    return normal(DISTRIBUTIONS.get(module, module))
