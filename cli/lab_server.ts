/** The HTTP server of the lab: Python on a socket of the kernel's MPTCP. It runs inside the lab's namespace, from this text. */

/**
 * Arguments: protocol (262 MPTCP, 6 TCP), port, folder. GET /32MB gives 32 million bytes, GET /32MB.sha256 their sum, any other path a file of the
 * folder; PUT and POST answer with the number of bytes that came and their sum. Prints "ready" when it listens.
 */
export const HTTP_SERVER = `
import hashlib, http.server, json, os, random, re, socket, sys, threading

PROTOCOL, PORT, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
BLOCK = random.Random(1).randbytes(65528)
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

def blocks(size):
    index = 0
    while size > 0:
        block = (index.to_bytes(8, "big") + BLOCK)[:size]
        yield block
        size -= len(block)
        index += 1

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "kernel-mptcp"

    def __init__(self, *args):
        super().__init__(*args, directory=FOLDER)

    def log_message(self, *args):
        pass

    def generated(self):
        return re.fullmatch(r"/(\\d{1,12})(k|M|G)?B?(\\.sha256)?", self.path)

    def do_GET(self):
        match = self.generated()
        if match is None:
            return super().do_GET()
        size = int(match[1]) * UNITS[match[2] or ""]
        if match[3]:
            sum = hashlib.sha256()
            for block in blocks(size):
                sum.update(block)
            return self.answer(sum.hexdigest().encode() + b"\\n", "text/plain")
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("content-length", str(size))
        self.end_headers()
        for block in blocks(size):
            self.wfile.write(block)

    def do_PUT(self):
        left = int(self.headers.get("content-length", 0))
        sum, bytes = hashlib.sha256(), 0
        while left > 0:
            block = self.rfile.read(min(left, 65536))
            if not block:
                break
            left -= len(block)
            bytes += len(block)
            sum.update(block)
        self.answer(json.dumps({"bytes": bytes, "sha256": sum.hexdigest()}).encode() + b"\\n", "application/json")

    do_POST = do_PUT

    def answer(self, body, type):
        self.send_response(200)
        self.send_header("content-type", type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, family, address):
        self.address_family = family
        super().__init__((address, PORT), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(family, socket.SOCK_STREAM, PROTOCOL)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.server_bind()
        self.server_activate()

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "lab", PORT

    def handle_error(self, request, address):
        pass

servers = [Server(socket.AF_INET, "0.0.0.0")]
if os.path.exists("/proc/net/if_inet6"):
    servers.append(Server(socket.AF_INET6, "::"))
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
`;
