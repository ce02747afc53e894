"""The upstream of all peers: nginx, which answers as BigCommerce's API does and refuses a call without a token."""
import json
import os
import subprocess

from programs import free_port, program, wait_for

# Paths as BigCommerce's: a list of 4 KB, nothing, so many bytes, and what takes a body of any size.
PRODUCTS_PATH, EMPTY_PATH, SINK_PATH = (f"/v3/catalog/products{rest}" for rest in ("?limit=8", "/2", "/1"))
BODIES = {"64 KiB": 64 * 1024, "8 MiB": 8 * 1024 * 1024}
PRODUCTS = json.dumps({
    "data": [{"id": n, "name": f"Product {n}", "description": "x" * 460} for n in range(8)],
    "meta": {"pagination": {"total": 8}}}).encode()

HEADERS = """
    add_header X-Rate-Limit-Requests-Left 100000; add_header X-Rate-Limit-Requests-Quota 100000;
    add_header X-Rate-Limit-Time-Window-Ms 30000; add_header X-Rate-Limit-Time-Reset-Ms 15000;
    add_header X-Request-Id 0123456789abcdef;
"""


def common(folder, name, workers=1):
    """The head of an nginx configuration."""
    return f"""
daemon off; worker_processes {workers}; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
events {{ worker_connections 19000; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000; keepalive_timeout 600s;
  client_max_body_size 0; client_body_buffer_size 9m;
"""


def certificate(folder):
    """A certificate for localhost that is its own authority."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return folder / "cert.pem"


def sized_path(name):
    return f"/v3/catalog/products/{BODIES[name]}"


class Upstream:
    """The running upstream; its files lie in `folder`."""

    def __init__(self, folder, programs, cpus):
        self.port, self.secure_port, sink = free_port(), free_port(), free_port()
        self.authority = certificate(folder)
        (folder / "products.json").write_bytes(PRODUCTS)
        for size in BODIES.values():
            (folder / f"{size}.bin").write_bytes(os.urandom(size))
        sized = "".join(
            f"    location ~ /products/{size}$ {{ if ($http_x_auth_token = '') {{ return 401; }} rewrite ^ /{size}.bin break; }}\n"
            for size in BODIES.values())
        (folder / "upstream.conf").write_text(common(folder, "upstream", workers=2) + f"""
  upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; }}
  server {{ listen 127.0.0.1:{sink}; location / {{ return 204; }} }}
  server {{
    listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.secure_port} ssl;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    root {folder}; default_type application/json; {HEADERS}
    location / {{ if ($http_x_auth_token = "") {{ return 401; }} rewrite ^ /products.json break; }}
    location ~ /products/2$ {{ if ($http_x_auth_token = "") {{ return 401; }} return 204; }}
{sized}
    # Read whole before it is answered.
    location ~ /products/1$ {{
      if ($http_x_auth_token = "") {{ return 401; }}
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_request_buffering on; proxy_pass http://sink;
    }}
  }}
}}""")
        programs.start([program("nginx"), "-c", folder / "upstream.conf"], cpus)
        for port in (self.port, self.secure_port):
            wait_for(port)

    def origin(self, secure):
        return f"https://localhost:{self.secure_port}" if secure else f"http://127.0.0.1:{self.port}"
