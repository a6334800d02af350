"""Speed and memory, compared with other relays on the same machine: ``python -m bench``."""
