"""One end of what is measured, on the kernel's sockets; nothing but moving bytes, so that the end that is measured is the other one.

Arguments: listen|connect JOB HOST PORT SECONDS PROTOCOL. A listener prints its port first. What else is printed is a line of numbers, the last of them
the seconds that this process had a processor meanwhile.

source: waits for a line, sends for SECONDS, then closes. Prints them alone.
sink: prints the bytes it got and the seconds from the first to the last of them.
echo: sends back what it gets. serve: the same on one connection after the other, for ever; prints no numbers.
ping: for SECONDS, 64 bytes and back. Prints the 50th and the 99th percentile of the microseconds that took, and how often it was.
open, join: for SECONDS, one connection after the other is opened, and closed by both; the latter when a byte has gone there and back, and a second
subflow is established. Prints how many, and the seconds.
"""

import ctypes, socket, struct, sys, time

SIZE = 64
SOL_MPTCP, MPTCP_TCPINFO, ESTABLISHED = 284, 2, 1
PR_SET_TIMERSLACK = 29

role, job, host, port, seconds, protocol = sys.argv[1:7]
seconds = float(seconds)
libc = ctypes.CDLL(None)


def make():
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, int(protocol))


def say(*numbers):
    print(*numbers, time.process_time() - begun, flush=True)


def subflows(conn):
    """How many are established: `struct mptcp_subflow_data`, then the first octets of a `struct tcp_info` for each."""
    info = ctypes.create_string_buffer(struct.pack("IIII", 16, 0, 0, 8) + bytes(8 * 8))
    length = ctypes.c_uint(len(info))
    if libc.getsockopt(conn.fileno(), SOL_MPTCP, MPTCP_TCPINFO, info, ctypes.byref(length)) < 0:
        raise OSError("MPTCP_TCPINFO is refused")
    count = struct.unpack_from("I", info.raw, 4)[0]
    return sum(info.raw[16 + 8 * i] == ESTABLISHED for i in range(min(count, 8)))


def source(conn):
    # A few bytes first, so that further subflows are there when the time counts.
    conn.sendall(view[:10])
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        conn.sendall(view)
    conn.shutdown(socket.SHUT_WR)
    conn.recv(1)
    say()


def sink(conn):
    received = conn.recv_into(view)
    start = None
    while received:
        count = conn.recv_into(view)
        if count == 0:
            break
        if start is None:
            start = time.monotonic()
        received += count
    say(received, time.monotonic() - (start or 0))


def echo(conn):
    while count := conn.recv_into(view):
        conn.sendall(view[:count])


def ping(conn):
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        conn.sendall(view[:SIZE])
        left = SIZE
        while left > 0:
            left -= conn.recv_into(view, left)
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    say(times[len(times) // 2], times[len(times) * 99 // 100], len(times))


def opener():
    count = 0
    start = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        with make() as conn:
            conn.connect((host, int(port)))
            if job == "join":
                conn.sendall(view[:1])
                conn.recv_into(view, 1)
                # The kernel's workers, which open the subflow, would wait for a process that never sleeps: under `chrt -r 1` nearly a second.
                while subflows(conn) < 2:
                    time.sleep(20e-6)
            # The peer's end is waited for: a backlog that overflows would be a second of silence.
            conn.shutdown(socket.SHUT_WR)
            conn.recv_into(view, 1)
        count += 1
    say(count, now - start)


block = bytearray(1 << 20)
view = memoryview(block)
if job in ("open", "join"):
    libc.prctl(PR_SET_TIMERSLACK, 1)
    begun = time.process_time()
    opener()
    sys.exit()
conn = make()
if role == "listen":
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    conn.bind((host, int(port)))
    conn.listen(128)
    print(conn.getsockname()[1], flush=True)
    listener = conn  # further subflows need it
    while job == "serve":
        with listener.accept()[0] as conn:
            try:
                echo(conn)
            except ConnectionError:
                pass  # the next one
    conn = listener.accept()[0]
else:
    conn.connect((host, int(port)))
begun = time.process_time()
{"source": source, "sink": sink, "echo": echo, "ping": ping}[job](conn)
conn.close()
