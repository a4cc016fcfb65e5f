"""What users do, for real: Docker, and an AWS emulator that takes the push and starts containers."""
