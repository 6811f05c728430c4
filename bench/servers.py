"""The processes of a bench: weft, nginx beside it, and the synthetic upstream; what they cost in CPU and memory."""
import glob
import http.client
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from report import BUILD

WEFT = os.environ.get("WEFT_BINARY", os.path.join(BUILD, "weft"))
SERVER_CORE, LOAD_CORE = "0", "1"
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
START_LIMIT_S = 10

NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile %(descriptors)d;
pid %(folder)s/pid; error_log %(folder)s/error.log warn;
events { worker_connections %(connections)d; }
http {
    access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 75s; tcp_nodelay on;
    client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b;
    fastcgi_temp_path %(folder)s/c; uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
    ssl_certificate %(folder)s/cert.pem; ssl_certificate_key %(folder)s/key.pem; ssl_protocols TLSv1.3;
    upstream synthetic { server 127.0.0.1:%(upstream)d; keepalive 2048; }
    server {
        listen 127.0.0.1:%(plain)d backlog=4096;
        listen 127.0.0.1:%(h2c)d http2 backlog=4096;
        listen 127.0.0.1:%(tls)d ssl http2 backlog=4096;
        location = /health { %(headers)s default_type "%(type)s"; return 200 '%(body)s'; }
        location /v1/ {
            proxy_pass http://synthetic; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection "";
        }
    }
}
"""


class Process:
    """A child on one core, in a folder of its own; ended by its id."""

    def __init__(self, command, core, **options):
        self.child = subprocess.Popen(["taskset", "-c", core] + command, text=True, **options)

    def cpu_ns(self):
        return cpu_ns(self.child.pid)

    def memory_kib(self):
        status = open("/proc/%d/status" % self.child.pid).read()
        return {name: int(re.search(name + r":\s+(\d+)", status).group(1)) for name in ("VmRSS", "RssAnon")}

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()


class Upstream(Process):
    def __init__(self):
        super().__init__([os.path.join(BUILD, "bench_upstream")], LOAD_CORE, stdout=subprocess.PIPE)
        self.port = int(self.child.stdout.readline())


class Weft(Process):
    name = "weft"

    def __init__(self, folder, upstream):
        home = tempfile.mkdtemp(dir=folder)
        # nginx runs without its access log, so ours is off too.
        command = [WEFT, "up", "--log-level", "warn", "--listen", "tcp:127.0.0.1:0", "--listen", "tls:127.0.0.1:0",
                   "--cert", folder + "/cert.pem", "--key", folder + "/key.pem",
                   "--upstream", "http://127.0.0.1:%d" % upstream.port]
        self.log = open(home + "/log", "w", encoding="utf-8")
        super().__init__(command, SERVER_CORE, stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL,
                         env={**os.environ, "WEFT_HOME": home})
        self.ports = {}
        for line in self.child.stdout:
            found = re.match(r"listening on (https?)://127\.0\.0\.1:(\d+)", line)
            if found:
                self.ports["tls" if found.group(1) == "https" else "plain"] = int(found.group(2))
            if line.startswith("ready"):
                break
        else:
            raise SystemExit("weft did not start: " + open(self.log.name, encoding="utf-8").read())
        self.ports["h2c"] = self.ports["plain"]

    def stop(self):
        super().stop()
        self.log.close()


class Nginx(Process):
    name = "nginx"

    def __init__(self, folder, upstream, answer):
        """`answer` is what the other server says to GET /health: this one says the same, in about the same bytes."""
        home = tempfile.mkdtemp(dir=folder)
        for name in ("cert.pem", "key.pem"):
            shutil.copy(os.path.join(folder, name), home)
        self.ports = {name: free_port() for name in ("plain", "h2c", "tls")}
        own = ("server", "date", "content-type", "content-length", "connection", "transfer-encoding")
        headers = [header for header in answer["headers"] if header[0].lower() not in own]
        values = dict(self.ports, folder=home, upstream=upstream.port, descriptors=DESCRIPTORS,
                      connections=DESCRIPTORS - 100, body=answer["body"],
                      type=answer["type"], headers=" ".join('add_header %s "%s";' % pair for pair in headers))
        with open(home + "/nginx.conf", "w", encoding="utf-8") as config:
            config.write(NGINX_CONFIG % values)
        super().__init__(["nginx", "-p", home, "-c", home + "/nginx.conf"], SERVER_CORE, stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        limit = time.monotonic() + START_LIMIT_S
        while not reachable(self.ports["plain"]):
            if time.monotonic() > limit or self.child.poll() is not None:
                raise SystemExit("nginx did not start; its log: %s/error.log" % home)
            time.sleep(0.05)


def cpu_ns(process):
    """What all its threads have spent on a core."""
    return sum(int(open(path).read().split()[0]) for path in glob.glob("/proc/%d/task/*/schedstat" % process))


def reachable(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"], check=True, capture_output=True)
    os.chmod(folder + "/key.pem", 0o600)


def health(port):
    """GET /health: body, type, headers, and the size of the answer's head on the wire."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    body = answer.read().decode()
    headers = answer.getheaders()
    connection.close()
    if answer.status != 200:
        raise SystemExit("GET /health answered %d" % answer.status)
    head = len("HTTP/1.1 200 OK\r\n\r\n") + sum(len(name) + len(value) + 4 for name, value in headers)
    return {"body": body, "type": answer.getheader("content-type", "text/plain"), "headers": headers, "head": head}
