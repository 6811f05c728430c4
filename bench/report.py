"""What every bench begins with, and says beside its figures: when, where, on which commit; its part of RESULTS.md."""
import datetime
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "release")
RESULTS = os.path.join(ROOT, "bench", "RESULTS.md")


def say(text):
    print(text, file=sys.stderr, flush=True)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)


def busy_percent():
    """How busy the machine is before anything starts."""
    def ticks():
        fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
        return fields[3] + fields[4], sum(fields)
    idle, total = ticks()
    time.sleep(1)
    idle_after, total_after = ticks()
    return 100 * (1 - (idle_after - idle) / max(1, total_after - total))


def prepare(*targets):
    """Builds what is measured and what measures it; then says how busy the machine is."""
    subprocess.run(["cmake", "--build", BUILD, "--target", *targets], check=True, stdout=subprocess.DEVNULL)
    busy = busy_percent()
    if busy > 10:
        say(f"warning: the machine is {busy:.0f} % busy with something else")
    return busy


def describe_machine(busy):
    model = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
    memory = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read()).group(1)) / 1024 / 1024
    kernel = os.uname()
    changed = " (with changes)" if output("git", "status", "--porcelain", "--untracked-files=no").stdout else ""
    return [
        "- %s, commit %s%s" % (datetime.date.today(), output("git", "rev-parse", "--short=12", "HEAD").stdout.strip(),
                               changed),
        "- %s, %d cores, %.0f GiB, %s %s; %.0f %% busy before the start" % (
            model.group(1) if model else kernel.machine, os.cpu_count(), memory, kernel.sysname, kernel.release, busy),
    ]


def write_results(name, text, path=RESULTS):
    """Puts `text` in the place of what the bench of that name wrote last, or at the end."""
    begin, end = "<!-- %s -->\n" % name, "<!-- /%s -->\n" % name
    with open(path, encoding="utf-8") as results:
        whole = results.read()
    part = begin + text.strip() + "\n" + end
    if begin in whole and end in whole:
        whole = whole.split(begin)[0] + part + whole.split(end)[1]
    else:
        whole = whole.rstrip() + "\n\n" + part
    with open(path, "w", encoding="utf-8") as results:
        results.write(whole)
