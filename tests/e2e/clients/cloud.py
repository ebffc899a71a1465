"""Runs moto's server until standard input is closed, so that it never outlives the test that has started it."""

import os
import sys
import threading

from moto.server import main


def end_with_the_test():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_the_test, daemon=True).start()
main()
