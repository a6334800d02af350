"""The command line: one module a command, loaded when it is called. See `gateway.cli.main`.

Three things make a short command start, and end, in two thirds of the time: Pydantic doesn't look through
every installed package for plugins; the collector doesn't go over what is only being loaded (workers have a
threshold of their own, `gateway.service.process`), nor, at the end, over all that goes with the process.
"""

import atexit
import gc
import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
#: All that a short command loads is some 200,000 objects.
gc.set_threshold(300_000)
atexit.register(gc.freeze)
