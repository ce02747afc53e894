"""An endpoint that events are pushed to: keeps what comes, verifies it with `standardwebhooks`, answers as it is told."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook


class Receiver:
    def __init__(self):
        self.pushes = []
        self.status, self.headers, self.body = 200, {}, b""
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.pushes.append((dict(self.headers.items()), body))
                    status, headers, answer = receiver.status, receiver.headers, receiver.body
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, status, headers=None, body=b""):
        with self.lock:
            self.status, self.headers, self.body = status, headers or {}, body

    def verified(self, secret):
        """The events that came, each with a signature that the official library accepts."""
        with self.lock:
            pushes = list(self.pushes)
        return [Webhook(secret).verify(body, headers) for headers, body in pushes]

    def ids(self):
        with self.lock:
            return [json.loads(body)["id"] for _, body in self.pushes]
