"""A peer on the kernel's MPTCP: listens or connects, then sends, receives or echoes, and tells what happened as one JSON object a line.

Events: {"event": "listening", "port"}, for each connection {"event": "open", "local", "remote"} and {"event": "end", "sent", "sentSha256",
"received", "receivedSha256", "seconds", "error", "mptcp": null or what MPTCP_INFO says, "subflows": bytes of each}, at last {"event": "done"}.
One that is driven tells of each {"event": "moved", "bytes"}, too.
"""

import argparse, ctypes, errno, hashlib, json, os, random, socket, struct, sys, threading, time

IPPROTO_MPTCP, SOL_MPTCP = 262, 284
MPTCP_INFO, MPTCP_TCPINFO, MPTCP_SUBFLOW_ADDRS, MPTCP_FULL_INFO = 1, 2, 3, 4
BLOCK = random.Random(7).randbytes(65528)
libc = ctypes.CDLL(None, use_errno=True)
lock = threading.Lock()


def say(event, **values):
    with lock:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()


def blocks(size):
    index = 0
    while size > 0:
        block = (index.to_bytes(8, "big") + BLOCK)[:size]
        yield block
        size -= len(block)
        index += 1


def mptcp_info(conn):
    """struct mptcp_info (include/uapi/linux/mptcp.h); None on plain TCP, and after a fallback on some kernels."""
    try:
        raw = conn.getsockopt(SOL_MPTCP, MPTCP_INFO, 96)
    except OSError:
        return None
    return read_mptcp_info(raw)


def read_mptcp_info(raw):
    raw = raw.ljust(96, b"\0")
    info = dict(zip(("subflows", "add_addr_signal", "add_addr_accepted", "subflows_max", "add_addr_signal_max",
                     "add_addr_accepted_max"), raw[:6]))
    flags, token, write_seq, snd_una, rcv_nxt = struct.unpack_from("<IIQQQ", raw, 8)
    info.update(flags=flags, fallback=bool(flags & 1), token=token, local_addr_used=raw[40], local_addr_max=raw[41],
                csum_enabled=raw[42], retransmits=struct.unpack_from("<I", raw, 44)[0],
                **dict(zip(("bytes_retrans", "bytes_sent", "bytes_received", "bytes_acked"),
                           struct.unpack_from("<QQQQ", raw, 48))), subflows_total=raw[80])
    return info


def each_subflow(conn, option, size, most=16):
    """What a socket option tells of each subflow, in bytes. The header in front has to be filled in, which socket.getsockopt cannot."""
    buffer = ctypes.create_string_buffer(16 + size * most)
    struct.pack_into("<IIII", buffer, 0, 16, 0, 0, size)
    length = ctypes.c_uint32(len(buffer))
    if libc.getsockopt(conn.fileno(), SOL_MPTCP, option, buffer, ctypes.byref(length)) != 0:
        return []
    _, count, kernel_size, _ = struct.unpack_from("<IIII", buffer, 0)
    return [bytes(buffer[16 + i * size:16 + i * size + min(size, kernel_size)]) for i in range(min(count, most))]


def read_tcp_info(raw):
    """Of struct tcp_info (include/uapi/linux/tcp.h)."""
    if len(raw) < 136:
        return {}
    acked, received = struct.unpack_from("<QQ", raw, 120)
    return {"bytesAcked": acked, "bytesReceived": received, "state": raw[0], "options": raw[5], "snd_wscale": raw[6] & 15,
            "rcv_wscale": raw[6] >> 4, "advmss": struct.unpack_from("<I", raw, 84)[0]}


def tcp_infos(conn):
    return [read_tcp_info(raw) for raw in each_subflow(conn, MPTCP_TCPINFO, 248)]


def read_end(raw):
    """An address and its port in a struct sockaddr_storage."""
    family, = struct.unpack_from("<H", raw, 0)
    port, = struct.unpack_from(">H", raw, 2)
    at = raw[4:8] if family == socket.AF_INET else raw[8:24]
    return [socket.inet_ntop(family, at).removeprefix("::ffff:"), port]


def addresses(conn):
    """struct mptcp_subflow_addrs of each subflow: both ends."""
    return [[read_end(raw), read_end(raw[128:])] for raw in each_subflow(conn, MPTCP_SUBFLOW_ADDRS, 256)]


def full_info(conn):
    """struct mptcp_full_info with what it points to."""
    most, tcp_size, flow_size = 16, 248, 264
    flows, infos = ctypes.create_string_buffer(most * flow_size), ctypes.create_string_buffer(most * tcp_size)
    buffer = ctypes.create_string_buffer(40 + 96)
    struct.pack_into("<IIIIIIQQ", buffer, 0, 0, tcp_size, 0, flow_size, 0, most, ctypes.addressof(flows), ctypes.addressof(infos))
    length = ctypes.c_uint32(len(buffer))
    if libc.getsockopt(conn.fileno(), SOL_MPTCP, MPTCP_FULL_INFO, buffer, ctypes.byref(length)) != 0:
        return None
    _, _, _, _, count, _ = struct.unpack_from("<IIIIII", buffer, 0)
    told = []
    for i in range(min(count, most)):
        flow = bytes(flows[i * flow_size:(i + 1) * flow_size])
        told.append({"id": struct.unpack_from("<I", flow, 0)[0], "local": read_end(flow[8:]), "remote": read_end(flow[136:]),
                     "tcp": read_tcp_info(bytes(infos[i * tcp_size:(i + 1) * tcp_size]))})
    return {"count": count, "subflows": told, "mptcp": read_mptcp_info(bytes(buffer[40:40 + 96]))}


class Connection:
    def __init__(self, conn, args, early=b""):
        self.conn, self.args, self.error = conn, args, None
        self.early, self.sent, self.received = len(early), len(early), 0
        self.out, self.into = hashlib.sha256(early), hashlib.sha256()
        self.seen = ([], None)
        self.addresses, self.full = [], None
        if args.reset:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send(self):
        pace = self.args.rate / 8
        start = time.monotonic()
        for block in blocks(self.args.size):
            if pace:
                time.sleep(max(0, start + self.sent / pace - time.monotonic()))
            block, self.early = block[self.early:], max(0, self.early - len(block))
            first = max(0, min(len(block), self.args.hold - self.sent))
            self.conn.sendall(block[:first])
            if first and first + self.sent == self.args.hold:
                sys.stdin.readline()
            self.conn.sendall(block[first:])
            self.out.update(block)
            self.sent += len(block)
        self.look()
        if not self.args.keep:
            self.conn.shutdown(socket.SHUT_WR)

    def receive(self):
        time.sleep(self.args.pause)
        while True:
            data = self.conn.recv(1 << 20)
            if not data:
                return
            self.received += len(data)
            self.into.update(data)
            if self.received & 0xFFFFF < len(data):
                self.look()
            if self.args.job == "echo":
                self.conn.sendall(data)
                self.sent += len(data)
                self.out.update(data)

    def drive(self):
        """A line N on the standard input: N bytes go out, and as many are read; "end": the end is sent, and the other's read."""
        self.take(self.early)
        for line in sys.stdin:
            if line.strip() == "end":
                self.conn.shutdown(socket.SHUT_WR)
                return self.receive()
            size = int(line)
            data = BLOCK[:size] if size <= len(BLOCK) else BLOCK * (size // len(BLOCK)) + BLOCK[:size % len(BLOCK)]
            sender = threading.Thread(target=self.guarded, args=(lambda: self.conn.sendall(data),))
            sender.start()
            self.take(size)
            sender.join()
            self.sent += size
            self.out.update(data)
            self.look()
            say("moved", bytes=size)

    def take(self, size):
        until = self.received + size
        while self.received < until:
            got = self.conn.recv(min(1 << 20, until - self.received))
            if not got:
                raise ConnectionError
            self.received += len(got)
            self.into.update(got)

    def look(self):
        info = mptcp_info(self.conn)
        if info is not None:
            self.seen = (tcp_infos(self.conn), info)
            found = addresses(self.conn)
            # At the end there are fewer.
            if len(found) >= len(self.addresses):
                self.addresses, self.full = found, full_info(self.conn)

    def guarded(self, work):
        try:
            work()
        except OSError as error:
            self.error = errno.errorcode.get(error.errno, type(error).__name__) if error.errno else type(error).__name__

    def run(self):
        name = lambda address: f"{address[0]} {address[1]}"
        say("open", local=name(self.conn.getsockname()), remote=name(self.conn.getpeername()))
        start = time.monotonic()
        if self.args.job == "drive":
            self.guarded(self.drive)
        elif self.args.job in ("source", "both"):
            sender = threading.Thread(target=self.guarded, args=(self.send,))
            sender.start()
            self.guarded(self.receive)
            sender.join()
        else:
            self.guarded(self.receive)
            self.look()
            if self.error is None and not self.args.keep:
                self.guarded(lambda: self.conn.shutdown(socket.SHUT_WR))
        seconds = time.monotonic() - start
        subflows, info = self.seen
        say("end", sent=self.sent, sentSha256=self.out.hexdigest(), received=self.received,
            receivedSha256=self.into.hexdigest(), seconds=seconds, error=self.error, mptcp=info, subflows=subflows,
            addresses=self.addresses, full=self.full)
        if self.args.keep:
            sys.stdin.readline()
        self.conn.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("listen", "connect"))
    parser.add_argument("job", choices=("sink", "source", "both", "echo", "drive"))
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int, default=0, help="bytes to send")
    parser.add_argument("--rate", type=float, default=0, help="bits per second, 0: no limit")
    parser.add_argument("--tcp", action="store_true", help="plain TCP")
    parser.add_argument("--bind", help="local address")
    parser.add_argument("--accept", type=int, default=1, help="how many connections")
    parser.add_argument("--connections", type=int, default=1, help="how many to open, one after the other")
    parser.add_argument("--fastopen", action="store_true", help="the first data go out with the SYN, or are taken with it")
    parser.add_argument("--pause", type=float, default=0, help="seconds before it begins to read")
    parser.add_argument("--buffer", type=int, default=0, help="bytes of the receive buffer, 0: as the kernel has it")
    parser.add_argument("--reset", action="store_true", help="it closes by an abort")
    parser.add_argument("--hold", type=int, default=0, help="bytes to send before a line comes on the standard input")
    parser.add_argument("--keep", action="store_true", help="do not close before a line comes on the standard input")
    parser.add_argument("--timeout", type=float, default=120)
    args = parser.parse_args()
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    protocol = socket.IPPROTO_TCP if args.tcp else IPPROTO_MPTCP

    def make():
        made = socket.socket(family, socket.SOCK_STREAM, protocol)
        if args.buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args.buffer)
        return made

    if args.role == "listen":
        server = make()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((args.host, args.port))
        if args.fastopen:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
        server.listen(512)
        server.settimeout(args.timeout)
        say("listening", port=server.getsockname()[1])
        threads = []
        try:
            for _ in range(args.accept):
                conn, _ = server.accept()
                conn.settimeout(args.timeout)
                threads.append(threading.Thread(target=Connection(conn, args).run))
                threads[-1].start()
        except socket.timeout:
            pass
        for thread in threads:
            thread.join()
    else:
        for _ in range(args.connections):
            conn = make()
            conn.settimeout(args.timeout)
            if args.bind:
                conn.bind((args.bind, 0))
            early = b""
            try:
                if args.fastopen:
                    block = next(blocks(args.size))
                    conn.settimeout(None)  # or it would not wait for the answer to its SYN
                    early = block[:conn.sendto(block, socket.MSG_FASTOPEN, (args.host, args.port))]
                    conn.settimeout(args.timeout)
                else:
                    conn.connect((args.host, args.port))
            except OSError as error:
                say("refused", error=errno.errorcode.get(error.errno, type(error).__name__))
                conn.close()
                continue
            Connection(conn, args, early).run()
    say("done")


main()
