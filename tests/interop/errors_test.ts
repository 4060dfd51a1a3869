import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { it } from "@std/testing/bdd";
import { Host, tun } from "../../mod.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { RUN } from "../support/command.ts";

const CLI = fileURLToPath(new URL("../../cli/mod.ts", import.meta.url));
const DEVICE = ["--tun", "mptcp7=10.77.7.2/24"];

/** What `mptcp get` says where it cannot work; it must fail. */
async function complaint(
  namespace: Namespace,
  before: readonly string[],
  ...options: string[]
): Promise<string> {
  const get = [Deno.execPath(), ...RUN, CLI, "get", "http://10.77.7.1/", "-o", "/dev/null"];
  const { code, stderr } = await namespace.exec([...before, ...get, ...options], false);
  assert(code !== 0, stderr);
  // A user is told what to do, not where in the program it happened.
  assert(!stderr.includes("    at "), stderr);
  return stderr;
}

needs("kernel").describe("what cannot be opened is told with what to do", () => {
  it("without CAP_NET_ADMIN", async () => {
    await using namespace = await makeNamespace();
    const drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    const said = await complaint(namespace, drop, ...DEVICE);
    for (
      const command of [
        "sudo ip tuntap add dev mptcp7 mode tun user $USER vnet_hdr",
        "sudo ip address add 10.77.7.1/24 dev mptcp7",
        "sudo ip link set mptcp7 up",
      ]
    ) assert(said.includes(command), said);
  });

  it("without /dev/net/tun", async () => {
    await using namespace = await makeNamespace();
    const hide = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /dev/net; exec "$@"'];
    const said = await complaint(namespace, [...hide, "sh"], ...DEVICE);
    assert(said.includes("there is no /dev/net/tun"), said);
  });

  it("a name that is taken", async () => {
    await using namespace = await makeNamespace();
    assert((await complaint(namespace, [], "--tun", "lo=10.77.7.2/24")).includes("lo"));
    const link = () => tun("mptcp0", { namespace: namespace.name });
    const interfaces = () => [{ link: link(), addresses: ["10.77.1.2/24"] }];
    await using _host = await Host.open({ interfaces: interfaces() });
    await assertRejects(
      () => Host.open({ interfaces: interfaces() }),
      Deno.errors.AlreadyExists,
      "taken by one that is open elsewhere",
    );
  });

  it("a bad prefix", async () => {
    await using namespace = await makeNamespace();
    const said = await complaint(namespace, [], "--tun", "mptcp7=10.77.7.2");
    assert(said.includes("10.77.7.2") && said.includes("/"), said);
    const link = tun("mptcp0", { namespace: namespace.name });
    await assertRejects(
      () => Host.open({ interfaces: [{ link, addresses: ["10.77.1.2/33"] }] }),
      TypeError,
      "10.77.1.2/33",
    );
  });

  it("and leaves nothing behind", async () => {
    await using namespace = await makeNamespace();
    const [good, bad] = ["mptcp0", "lo"].map((name) => tun(name, { namespace: namespace.name }));
    await assertRejects(() =>
      Host.open({
        interfaces: [
          { link: good!, addresses: ["10.77.1.2/24"] },
          { link: bad!, addresses: ["10.77.2.2/24"] },
        ],
      })
    );
    const { stdout } = await namespace.exec(["ip", "-o", "link"]);
    assertEquals(stdout.includes("mptcp0"), false);
  });
});

/** A server that takes one connection, reads the request, says `answer` and ends. */
const SERVER = `
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 80))
s.listen()
s.settimeout(30)
print("listens", flush=True)
c, _ = s.accept()
c.recv(4096)
c.sendall(sys.argv[1].encode())
c.close()
`;

needs("kernel", "python3").describe(
  "a server that ends early is told of, and what came of it",
  () => {
    for (
      const [what, answer, said] of [
        [
          "within the body",
          "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n0123456789",
          /^The server ended the connection after \d+ B of 2\.00 MB$/,
        ],
        [
          "within a body of chunks",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
          /^The server ended the connection after \d+ B$/,
        ],
        ["before its answer", "", /^The server ended the connection before it answered$/],
        ["with what is no HTTP", "SSH-2.0-server\r\n", /^The server's answer is not HTTP/],
      ] as const
    ) {
      it(what, async () => {
        await using namespace = await makeNamespace();
        const serve = ["python3", "-c", SERVER, answer];
        const server = namespace.spawn(serve, { stdout: "piped" });
        const listens = server.stdout.getReader();
        await listens.read();
        const stderr = await complaint(namespace, [], ...DEVICE);
        await listens.cancel();
        await server.status;
        assertMatch(stderr.trimEnd().split("\n").at(-1)!, said);
      });
    }
  },
);
