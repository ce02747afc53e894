"""HAProxy and nginx before two replicas, each configured as docs/operations.md says."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from deployment import ends, free_port, listens, wait_until

HAPROXY = """
global
  stats socket {folder}/admin mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 130s
  retries 3
  option redispatch
  retry-on conn-failure empty-response
  option forwardfor
frontend public
  bind 127.0.0.1:{public}
  default_backend public
frontend internal
  bind 127.0.0.1:{internal}
  default_backend internal
backend public
  option httpchk
  {check_public}
  default-server check inter 200ms fall 1 rise 1
{public_servers}
backend internal
  option httpchk
  {check_internal}
  default-server check inter 200ms fall 1 rise 1
{internal_servers}
"""

CHECK = "http-check send meth GET uri {path} ver HTTP/1.1 hdr Host latchkey"

NGINX = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream public {{ {public_servers} keepalive 16; }}
  upstream internal {{ {internal_servers} keepalive 16; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_read_timeout 130s;
  client_max_body_size 64m;
  server {{ listen 127.0.0.1:{public}; location / {{ proxy_pass http://public; }} }}
  server {{ listen 127.0.0.1:{internal}; location / {{ proxy_pass http://internal; }} }}
}}
"""


class Front:
    """A running front; `public` and `internal` are its ports."""

    def __init__(self, kind, replicas, check=CHECK):
        self.folder = Path(tempfile.mkdtemp(prefix=f"latchkey-{kind}-"))
        self.public, self.internal = free_port(), free_port()
        if kind == "haproxy":
            text = HAPROXY.format(
                folder=self.folder, public=self.public, internal=self.internal,
                check_public=check.format(path="/healthz"), check_internal=check.format(path="/livez"),
                public_servers="\n".join(f"  server r{i} 127.0.0.1:{r.public}" for i, r in enumerate(replicas)),
                internal_servers="\n".join(f"  server r{i} 127.0.0.1:{r.internal}" for i, r in enumerate(replicas)))
            command = ["haproxy", "-db", "-f", self.folder / "conf"]
        else:
            text = NGINX.format(
                folder=self.folder, public=self.public, internal=self.internal,
                public_servers=" ".join(f"server 127.0.0.1:{r.public} max_fails=0;" for r in replicas),
                internal_servers=" ".join(f"server 127.0.0.1:{r.internal} max_fails=0;" for r in replicas))
            command = ["nginx", "-c", self.folder / "conf", "-e", self.folder / "error.log"]
        (self.folder / "conf").write_text(text)
        self.process = subprocess.Popen(
            command, env={"PATH": os.environ["PATH"] + ":/usr/sbin"}, stdout=open(self.folder / "log", "ab"),
            stderr=subprocess.STDOUT)
        wait_until(lambda: listens(self.public) and listens(self.internal), f"{kind} listens")

    def states(self):
        """HAProxy's opinion of each server: backend/server → UP, DOWN …"""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as admin:
            admin.connect(str(self.folder / "admin"))
            admin.sendall(b"show stat\n")
            text = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        lines = [line.split(",") for line in text.splitlines() if line]
        status = lines[0].index("status")
        return {f"{l[0]}/{l[1]}": l[status] for l in lines[1:] if l[1].startswith("r")}

    def close(self):
        self.process.terminate()
        ends(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
