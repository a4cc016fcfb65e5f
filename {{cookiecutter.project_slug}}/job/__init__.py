"""The launcher: starts any script in the container, with its data as local files, and saves what it wrote."""
