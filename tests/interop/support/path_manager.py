"""Speaks to the kernel's path managers where `ip mptcp` cannot: laminar endpoints, and all that a path manager in userspace does.

    path_manager.py COMMAND [KEY=VALUE …]

COMMAND: add_addr, del_addr, set_flags, announce, remove, create, destroy. Keys: token, id (of the address that is announced or taken back), local and remote
(address, or address,port), local-id, remote-id, flags (comma-separated), dev. Fails with the kernel's error as its text.
"""

import errno, os, socket, struct, sys

COMMANDS = {"add_addr": 1, "del_addr": 2, "set_flags": 7, "announce": 8, "remove": 9, "create": 10, "destroy": 11}
FLAGS = {"signal": 1, "subflow": 2, "backup": 4, "fullmesh": 8, "implicit": 16, "laminar": 32}
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
ADDR, TOKEN, LOC_ID, ADDR_REMOTE = 1, 4, 5, 6
NESTED = 0x8000


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def request(sock, family, command, version, payload):
    body = struct.pack("=BBH", command, version, 0) + payload
    sock.send(struct.pack("=IHHII", 16 + len(body), family, 5, 1, 0) + body)
    answers = []
    while True:
        data = sock.recv(65536)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == 2:
                error = -struct.unpack_from("=i", data, 16)[0]
                if error:
                    raise OSError(error, os.strerror(error))
                return answers
            answers.append(data[16:length])
            data = data[(length + 3) & ~3:]


def family_id(sock):
    [answer] = request(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, attribute(2, b"mptcp_pm\0"))
    at = 4
    while at < len(answer):
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == 1:
            return struct.unpack_from("=H", answer, at + 4)[0]
        at += (length + 3) & ~3
    raise OSError(errno.ENOENT, "no family mptcp_pm")


def address(text, ident=None, flags=None, dev=None):
    host, _, port = text.partition(",")
    parts = b""
    if host:
        six = ":" in host
        family = socket.AF_INET6 if six else socket.AF_INET
        parts += attribute(1, struct.pack("=H", family)) + attribute(4 if six else 3, socket.inet_pton(family, host))
    if ident is not None:
        parts += attribute(2, struct.pack("=B", int(ident)))
    if port:
        parts += attribute(5, struct.pack("=H", int(port)))
    if flags is not None:
        parts += attribute(6, struct.pack("=I", sum(FLAGS[name] for name in flags.split(",") if name)))
    if dev:
        parts += attribute(7, struct.pack("=i", socket.if_nametoindex(dev)))
    return parts


def main():
    command, keys = sys.argv[1], dict(each.split("=", 1) for each in sys.argv[2:])
    payload = b""
    if "token" in keys:
        payload += attribute(TOKEN, struct.pack("=I", int(keys["token"])))
    if command == "remove":
        payload += attribute(LOC_ID, struct.pack("=B", int(keys["id"])))
    else:
        ident = keys.get("local-id", keys.get("id"))
        payload += attribute(ADDR | NESTED, address(keys.get("local", ""), ident, keys.get("flags"), keys.get("dev")))
    if "remote" in keys:
        payload += attribute(ADDR_REMOTE | NESTED, address(keys["remote"], keys.get("remote-id")))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        sock.bind((0, 0))
        try:
            request(sock, family_id(sock), COMMANDS[command], 1, payload)
        except OSError as error:
            sys.exit(errno.errorcode.get(error.errno, str(error)))


main()
