"""tests/lib/probe.py - what a test asks of a running process: an answer, its memory, its time on a core."""
import glob
import http.client
import re

WAIT_S = 10
SMALL_QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=1"}  # else what ASan holds back looks like a leak


def get_status(port, path="/health"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def memory_kib(pid):
    """What is resident now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def cpu_s(pid):
    """What all its threads have spent so far."""
    spent_ns = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as schedstat:
            spent_ns += int(schedstat.read().split()[0])
    return spent_ns / 1e9
