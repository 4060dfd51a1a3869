"""A program on the kernel's MPTCP for random runs: one connection, as a plan in JSON has it. Events, one JSON object a line: "listening" with its port,
"open", "refused" with an error, "moved" with the bytes both ways each tenth of a second while they grow, "end".
"""

import errno, hashlib, json, socket, struct, sys, threading, time

IPPROTO_MPTCP, SOL_MPTCP, MPTCP_INFO = 262, 284, 1
plan = json.loads(sys.argv[1])
lock = threading.Lock()


def say(event, **values):
    with lock:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()


class Pattern:
    """Bytes that tell where they belong: random_kernel.ts makes the same."""

    def __init__(self, name):
        self.block = b"".join(hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(2048))

    def at(self, start, size):
        made = bytearray()
        while len(made) < size:
            index, offset = divmod(start + len(made), 65536)
            block = index.to_bytes(8, "big") + self.block[8:]
            made += block[offset:offset + size - len(made)]
        return bytes(made)


def name_of(error):
    return errno.errorcode.get(error.errno, type(error).__name__) if error.errno else type(error).__name__


class Program:
    def __init__(self, conn):
        self.conn, self.errors, self.wrong, self.over = conn, [], None, False
        self.sent = self.received = 0
        self.out, self.into = Pattern("kernel"), Pattern("ours")
        self.eof = self.quit = False

    def write(self, size):
        end = self.sent + size
        while self.sent < end:
            piece = self.out.at(self.sent, min(plan["write"], end - self.sent))
            done = 0
            while done < len(piece):
                count = self.conn.send(piece[done:])
                done += count
                self.sent += count

    def take(self, data):
        if data != self.into.at(self.received, len(data)) and self.wrong is None:
            self.wrong = f"a byte from {self.received} to {self.received + len(data)} is not the one"
        self.received += len(data)

    def read(self, size=None):
        end = None if size is None else self.received + size
        while end is None or self.received < end:
            if plan["quit"] is not None and self.received >= plan["quit"]:
                self.quit = True
                return
            data = self.conn.recv(plan["read"] if end is None else min(plan["read"], end - self.received))
            if not data:
                self.eof = True
                return
            self.take(data)
            if plan["pause"]:
                time.sleep(plan["pause"])

    def guarded(self, work):
        try:
            work()
        except OSError as error:
            self.errors.append(name_of(error))

    def upload(self):
        self.write(plan["size"])
        if plan["finish"]:
            self.conn.shutdown(socket.SHUT_WR)

    def download(self):
        if plan["sleep"]:
            time.sleep(plan["sleep"])
        self.read()

    def talk(self):
        for ours, theirs in plan["messages"]:
            if plan["first"]:
                self.write(theirs)
            self.read(ours)
            if self.quit or self.eof:
                return
            if not plan["first"]:
                self.write(theirs)

    def watch(self):
        last = None
        while not self.over:
            now = (self.sent, self.received)
            if now != last:
                say("moved", sent=now[0], received=now[1])
                last = now
            time.sleep(0.1)

    def run(self):
        say("open")
        threading.Thread(target=self.watch, daemon=True).start()
        self.guarded(self.talk)
        if not (self.errors or self.quit):
            sender = threading.Thread(target=self.guarded, args=(self.upload,), daemon=True)
            sender.start()
            self.guarded(self.download)
            if not self.quit:
                sender.join()
        self.over = True
        info = None
        try:
            raw = self.conn.getsockopt(SOL_MPTCP, MPTCP_INFO, 96)
            info = {"fallback": bool(struct.unpack_from("<I", raw, 8)[0] & 1)}
        except OSError:
            pass
        if plan["reset"]:
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.conn.close()
        say("end", sent=self.sent, received=self.received, eof=self.eof, quit=self.quit, errors=self.errors,
            wrong=self.wrong, info=info)


def main():
    family = socket.AF_INET6 if ":" in plan["host"] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if plan["rcvbuf"]:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, plan["rcvbuf"])
    if plan["sndbuf"]:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, plan["sndbuf"])
    if plan["nodelay"]:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if plan["role"] == "listen":
        made.bind((plan["host"], 0))
        if plan["fastopen"]:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
        made.listen(16)
        say("listening", port=made.getsockname()[1])
        conn, _ = made.accept()
    else:
        conn = made
        try:
            conn.connect((plan["host"], plan["port"]))
        except OSError as error:
            say("refused", error=name_of(error))
            return
    Program(conn).run()


main()
