"""One end of a measured transfer on the kernel's sockets; nothing but moving bytes, so that the end that is measured is the other one.

Arguments: listen|connect source|sink HOST PORT SECONDS PROTOCOL. A source sends for SECONDS, then closes. A sink prints the bytes it got and the
seconds from the first to the last of them. A listener prints its port first, and waits for a line before it sends.
"""

import socket, sys, time

role, job, host, port, seconds, protocol = sys.argv[1:7]
conn = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, int(protocol))
if role == "listen":
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    conn.bind((host, int(port)))
    conn.listen(8)
    print(conn.getsockname()[1], flush=True)
    listener = conn  # further subflows need it
    conn = listener.accept()[0]
else:
    conn.connect((host, int(port)))
block = bytearray(1 << 20)
view = memoryview(block)
if job == "source":
    # A few bytes first, so that further subflows are there when the time counts.
    conn.sendall(view[:10])
    sys.stdin.readline()
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        conn.sendall(view)
    conn.shutdown(socket.SHUT_WR)
    conn.recv(1)
else:
    received = conn.recv_into(view)
    start = None
    while received:
        count = conn.recv_into(view)
        if count == 0:
            break
        if start is None:
            start = time.monotonic()
        received += count
    print(received, time.monotonic() - (start or 0), flush=True)
conn.close()
