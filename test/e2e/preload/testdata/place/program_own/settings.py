import os

# Frozen when it is imported, as programs do.
SETTING = os.environ.get("PROGRAM_SETTING", "unset")
SECRET = os.environ.get("WORKER_KEY", "")
