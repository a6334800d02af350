"""The command line: one module a command, loaded when it is called. See `gateway.cli.main`.

Two things make a short command start in five sixths of the time: Pydantic doesn't look through every
installed package for plugins, and the collector doesn't go over what is only being loaded (workers have a
threshold of their own, `gateway.service.process`).
"""

import gc
import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
gc.set_threshold(50_000)
