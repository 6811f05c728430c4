"""tests/lib/program.py - a program under test: in a folder of its own, its stderr kept, held to a clean end.

    class Weft(Program): start(), wait_ready() and stop() are the program's own; `with` calls them in order.
"""

import os
import re
import shutil
import tempfile

HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZERS = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")


class Program:
    def __init__(self, name):
        self._name = name
        self.folder = tempfile.mkdtemp(prefix=name + "-")
        self._log_path = os.path.join(self.folder, "stderr")
        self.process = None

    def log(self):
        if not os.path.exists(self._log_path):
            return "it was never started"
        with open(self._log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def check_end(self, code):
        if code != 0 or SANITIZERS.search(self.log()):
            raise AssertionError(f"{self._name} ended with {code}:\n{self.log()}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        try:
            return self.start().wait_ready()
        except BaseException:
            self.fail()
            raise

    def __exit__(self, kind, error, trace):
        if kind is not None:  # the test's own failure is the news; the log helps to read it
            self.fail()
            return
        try:
            self.stop()
        finally:
            self.give_up()

    def fail(self):
        print(f"-- log of {self._name} --\n{self.log()}", flush=True)
        self.give_up()

    def give_up(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
