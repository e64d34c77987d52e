"""A server whose own modules read a setting when they are imported, and which uses a library that is slow to import."""

import sys

from program_own import server

if __name__ == "__main__":
    sys.exit(server.main())
