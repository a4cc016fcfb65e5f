"""AWS on this machine: an emulator from a package, started and stopped by the Makefile."""
