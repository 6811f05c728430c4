"""tests/lib/engine_check.py - `weft-engine --check`: what it says of a model."""

import os
import re
import subprocess

ENGINE = os.environ.get("WEFT_ENGINE_BINARY", "build/release/weft-engine")
WAIT_S = 240
MARGIN = 1.3  # an estimate may be over the truth by this


def run(model, *flags):
    return subprocess.run([ENGINE, "--model", model, "--threads", "1", "--check", *flags], capture_output=True,
                          text=True, timeout=WAIT_S)


def assert_estimates_are_true(case, model, sizes):
    """`taken` is the process's peak after a whole step of 512 rows, less what it was before the load."""
    for slots, context in sizes:
        done = run(model, "--slots", str(slots), "--context", str(context))
        case.assertEqual((done.returncode, done.stderr), (0, ""))
        estimated, taken = (int(re.search(rf"(?m)^{name}: (\d+) bytes$", done.stdout).group(1))
                            for name in ("estimated", "taken"))
        print(f"{os.path.basename(model)}, {slots} x {context}: estimated {estimated / 1e6:.0f} MB, taken "
              f"{taken / 1e6:.0f} MB, {estimated / taken:.3f}")
        case.assertGreaterEqual(estimated, taken)
        case.assertLess(estimated, MARGIN * taken)
