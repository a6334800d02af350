"""``python -m gateway``: the same as the command ``careerrelay``."""

from gateway.cli.main import main

main(prog_name="careerrelay")
