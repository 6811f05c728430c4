"""tests/differential/others.py - the other implementations: nginx over TCP, and h11 as a server-side state machine fed the same bytes."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

import h11

HEAD_MAX = 64 * 1024  # as ours, so that limits are not what differs
START_LIMIT_S = 10

# The second server stands behind the first, so that the first reads bodies as a relay must.
NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid %(folder)s/pid; error_log %(folder)s/error.log crit;
events { worker_connections 1000; }
http {
    access_log off; client_max_body_size 64m; client_header_buffer_size 64k; large_client_header_buffers 4 64k;
    client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b;
    fastcgi_temp_path %(folder)s/c; uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
    server { listen 127.0.0.1:%(front)d; location / { proxy_pass http://127.0.0.1:%(back)d; proxy_http_version 1.1; } }
    server { listen 127.0.0.1:%(back)d; location / { return 200 "ok"; } }
}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reachable(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Nginx:
    def __init__(self, test):
        folder = tempfile.mkdtemp(prefix="weft-nginx-")
        test.addCleanup(shutil.rmtree, folder)
        self.port = free_port()
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as config:
            config.write(NGINX_CONFIG % {"folder": folder, "front": self.port, "back": free_port()})
        self.child = subprocess.Popen(["nginx", "-p", folder, "-c", config.name], stderr=subprocess.DEVNULL)
        test.addCleanup(self.stop)
        limit = time.monotonic() + START_LIMIT_S
        while not reachable(self.port):
            if self.child.poll() is not None or time.monotonic() > limit:
                raise RuntimeError("nginx did not start")
            time.sleep(0.05)

    def stop(self):
        self.child.terminate()
        self.child.wait()


def ask_h11(data):
    """(the answers' statuses, whether the connection is closed) for these bytes, as a server on h11 has it: each request
    is read to its end and answered 200, an error is answered as h11 hints."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
    statuses, method = [], b""
    connection.receive_data(data)
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                statuses.append(error.error_status_hint)
            return statuses, True
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return statuses, False
        if isinstance(event, h11.ConnectionClosed):
            return statuses, True
        if isinstance(event, h11.Request):
            method = event.method
        if isinstance(event, h11.EndOfMessage):
            statuses.append(405 if method == b"CONNECT" else 200)
            connection.send(h11.Response(status_code=statuses[-1], headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return statuses, True
            connection.start_next_cycle()
