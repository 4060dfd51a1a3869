import "../support/growing_memory.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatPrefix, kernelAddressesFor, readPrefix } from "../../core/link/tun/addresses.ts";
import { Loop } from "../../core/link/loop.ts";
import { tun, type TunOptions } from "../../core/link/tun/tun.ts";
import { memory_reserve, u8 } from "../../wasm/mod.ts";
import { makeNamespace } from "../../cli/namespace.ts";
import { checksumsAreGood } from "../support/sim.ts";
import {
  ICMP,
  isTcp,
  pong,
  program,
  Recorder,
  refusingSuperSegments,
  RST,
  segment,
  sendBytes,
  stand,
  SYN,
  TCP,
} from "../support/tun.ts";
import { needs } from "../support/tools.ts";

describe("the kernel's addresses", () => {
  const choose = (...addresses: string[]): string[] =>
    kernelAddressesFor(addresses.map((text) => readPrefix(text, "an address"))).map(formatPrefix);

  it("are the first of each network that are not the host's", () => {
    const table: [string[], string[]][] = [
      [["10.77.1.2/24"], ["10.77.1.1/24"]],
      [["10.77.1.1/24"], ["10.77.1.2/24"]],
      [["10.77.1.130/25"], ["10.77.1.129/25"]],
      [["10.77.1.2/24", "10.77.1.1/24"], ["10.77.1.3/24"]],
      [["10.77.1.9/24", "10.77.2.9/24"], ["10.77.1.1/24", "10.77.2.1/24"]],
      [["10.0.0.5/30"], ["10.0.0.6/30"]],
      [["10.0.0.7/31"], ["10.0.0.6/31"]],
      [["fd00:77::2/64"], ["fd00:77::1/64"]],
      [["fd00:77::ffff/127"], ["fd00:77::fffe/127"]],
      [["172.16.200.7/8"], ["172.0.0.1/8"]],
      [[], []],
    ];
    for (const [host, kernel] of table) assertEquals(choose(...host), kernel);
  });

  it("cannot be chosen where there is no other", () => {
    assertThrows(() => choose("10.0.0.1/32"), RangeError, "give 'kernelAddresses'");
    assertThrows(() => choose("10.0.0.1/30", "10.0.0.2/30"), RangeError, "no other");
    assertThrows(() => choose("fd00::1/128"), RangeError, "fd00::1/64");
  });
});

describe("tun()", () => {
  it("names what is wrong with its arguments", () => {
    for (const name of ["", "a b", "a/b", "mptcp0:1", "sixteen-letters-", "mptcp%d", ".."]) {
      assertThrows(() => tun(name), TypeError, "its name must be");
    }
    for (const mtu of [0, 575, 65536, 1500.5, NaN]) {
      assertThrows(() => tun("a", { mtu }), RangeError, `current value is ${mtu}`);
    }
    assertThrows(() => tun("a", { queue: 0 }), RangeError, "'queue'");
    assertThrows(
      () => tun("a", { mut: 9000 } as never),
      TypeError,
      "there is no option 'mut': the options are kernelAddresses, mtu, queue, offload, namespace",
    );
    for (const none of [null, 7, ["10.0.0.1/24"]]) {
      assertThrows(() => tun("a", none as never), TypeError, "its options must be an object");
    }
    for (const address of ["10.0.0.1", "10.0.0.1/33", "10.0.0/8", "fd00::/129", "kernel/8"]) {
      assertThrows(() => tun("a", { kernelAddresses: [address] }), TypeError, `"${address}"`);
      assertThrows(() => tun("a").configure([address]), TypeError, `"${address}"`);
    }
  });

  it("says what to do where there is no Linux", () => {
    const build = Object.getOwnPropertyDescriptor(Deno, "build")!;
    Object.defineProperty(Deno, "build", { ...build, value: { ...Deno.build, os: "darwin" } });
    try {
      assertThrows(
        () => new Loop().add(tun("a")),
        Deno.errors.NotSupported,
        "Cannot open a TUN device as this is darwin: use emulate() or udp()",
      );
    } finally {
      Object.defineProperty(Deno, "build", build);
    }
  });
});

needs("kernel").describe("a TUN device", () => {
  it("is made with its addresses, size and queue, and goes with its link", async () => {
    await using namespace = await makeNamespace();
    const loop = new Loop();
    const link = tun("mptcp0", { namespace: namespace.name, mtu: 1400, queue: 777 });
    link.configure(["10.77.1.2/24", "10.78.1.2/16", "fd00:77:1::2/64"]);
    loop.add(link);
    interface Shown {
      mtu: number;
      txqlen: number;
      flags: string[];
      addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean }[];
    }
    const show = async (): Promise<Shown[]> =>
      JSON.parse((await namespace.exec(["ip", "-j", "address", "show"])).stdout);
    const [, device] = await show();
    assertEquals([device!.mtu, device!.txqlen], [1400, 777]);
    assert(device!.flags.includes("UP"));
    assertEquals(
      device!.addr_info.filter(({ scope }) => scope === "global")
        .map(({ local, prefixlen, tentative = false }) => [local, prefixlen, tentative]),
      [["10.77.1.1", 24, false], ["10.78.0.1", 16, false], ["fd00:77:1::1", 64, false]],
    );
    await loop.close();
    assertEquals((await show()).length, 1);
  });

  needs("ping").it("carries packets in both directions", async () => {
    await using it = await stand({}, new Recorder(pong));
    await it.namespace.exec(["ping", "-c", "3", "-i", "0.05", "-s", "1400", "10.77.1.2"]);
    assertEquals(it.stack.seen.filter(({ bytes }) => bytes[9] === ICMP).length, 3);
  });

  needs("python3").it(
    "vouches for packets of this kernel with offload, and gives whole checksums without",
    async () => {
      for (const offload of [true, false]) {
        await using it = await stand({ offload });
        for (const address of ["10.77.1.2", "fd00:77:1::2"]) {
          const syn = it.stack.next(({ bytes }) => {
            const transport = bytes[0] === 0x45 ? 20 : 40;
            return bytes[transport === 20 ? 9 : 6] === TCP && bytes[transport + 13] === SYN;
          });
          const python = it.namespace.spawn(
            ["python3", "-c", `import socket; socket.create_connection(("${address}", 80))`],
            { stdin: "null", stdout: "null", stderr: "null" },
          );
          const { bytes, verified } = await syn;
          assertEquals(verified, offload);
          assertEquals(checksumsAreGood(bytes), !offload);
          python.kill("SIGKILL");
          await python.status;
        }
      }
    },
  );

  it("takes a packet in pieces, with its checksum as agreed", async () => {
    for (const offload of [true, false]) {
      await using it = await stand({ offload });
      assertEquals(it.link.txChecksum, offload ? "partial" : "full");
      for (const cuts of [[], [40], [40, 47]]) {
        const reset = it.stack.next(isTcp(RST));
        sendBytes(it.link, segment(it.link, SYN, new Uint8Array(9).fill(7)), cuts);
        const { bytes } = await reset;
        // RFC 9293 §3.10.7.1: the reset of a closed port acknowledges what came, SYN included.
        assertEquals(new DataView(bytes.buffer).getUint32(28), 1 + 1 + 9);
      }
    }
  });

  it("takes super-segments where it said so", async () => {
    await using it = await stand();
    assert(it.link.maxSegments >= 44);
    const reset = it.stack.next(isTcp(RST));
    const payload = new Uint8Array(40_000).map((_, i) => i * 31);
    sendBytes(it.link, segment(it.link, SYN, payload), [40, 10_007], 1000);
    const { bytes } = await reset;
    assertEquals(new DataView(bytes.buffer).getUint32(28), 1 + 1 + 40_000);
    await using plain = await stand({ offload: false });
    assertEquals(plain.link.maxSegments, 1);
  });

  it("sends segments one by one, and says so once, where the kernel refuses super-segments", async () => {
    using refusing = refusingSuperSegments();
    await using it = await stand();
    assert(it.link.maxSegments >= 44);
    const payload = new Uint8Array(2_500).map((_, i) => i * 31);
    for (const cuts of [[40], [40, 1_407], [40, 2_040]]) {
      const resets = [0, 1000, 2000].map(() => it.stack.next(isTcp(RST)));
      sendBytes(it.link, segment(it.link, SYN, payload), cuts, 1000);
      // Each is answered by itself: its checksum is right, and the RST acknowledges the SYN, which stays on all of them, and its bytes.
      const acked = (await Promise.all(resets)).map(({ bytes }) =>
        new DataView(bytes.buffer).getUint32(28)
      );
      assertEquals(acked, [2 + 1000, 2 + 2000, 2 + 2500]);
      assertEquals(it.link.maxSegments, 1);
    }
    assertEquals([refusing.warnings.length, it.link.lost], [1, 0]);
    assertMatch(refusing.warnings[0]!, /^mptcp0: this kernel refuses super-segments/);
  });

  needs("ping").it("goes on when memory grows in the middle of a batch", async () => {
    const grow = new Recorder((link, seen) => {
      const before = u8.length;
      assertEquals(memory_reserve(1 << 20), 1);
      grown ||= u8.length > before;
      pong(link, seen);
    });
    let grown = false;
    await using it = await stand({}, grow);
    await it.namespace.exec(["ping", "-c", "8", "-i", "0.01", "-s", "1400", "10.77.1.2"]);
    assert(grown);
  });

  needs("ping").it("is used as it is when it is there", async () => {
    await using namespace = await makeNamespace();
    await namespace.ip(
      "tuntap add dev mptcp0 mode tun vnet_hdr",
      "address add 10.77.1.1/24 dev mptcp0",
      "link set mptcp0 mtu 1300",
    );
    const open = (address = "10.99.1.2/24"): Loop => {
      const loop = new Loop();
      const link = tun("mptcp0", { namespace: namespace.name, mtu: 9000 });
      link.configure([address]);
      loop.add(link);
      assertEquals(link.mtu, 1300);
      return loop;
    };
    assertThrows(open, Deno.errors.NotConnected, "ip link set mptcp0 up");
    await namespace.ip("link set mptcp0 up");
    const loop = open();
    loop.start(new Recorder(pong));
    loop.hold(true);
    await namespace.exec(["ping", "-c", "1", "10.77.1.2"]);
    const { stdout } = await namespace.exec(["ip", "-4", "address", "show", "mptcp0"]);
    assert(!stdout.includes("10.99"));
    assertThrows(open, Deno.errors.AlreadyExists, "taken by one that is open elsewhere");
    await loop.close();
    assertThrows(() => open("10.77.1.1/24"), RangeError, "10.77.1.1 is the kernel's address on it");
  });

  it("says what stands in the way", async () => {
    await using namespace = await makeNamespace();
    const open = (name: string, options: TunOptions, addresses = ["10.77.1.2/24"]): void => {
      const link = tun(name, { namespace: namespace.name, ...options });
      link.configure(addresses);
      new Loop().add(link);
    };
    assertThrows(() => open("lo", {}), Deno.errors.AlreadyExists, "interface of another kind");
    assertThrows(
      () => open("mptcp0", { namespace: "mptcp-nowhere" }),
      Deno.errors.NotFound,
      "ip netns add mptcp-nowhere",
    );
    assertThrows(
      () => open("mptcp0", { kernelAddresses: ["10.77.1.2/24"] }),
      RangeError,
      "both the kernel's address and the host's",
    );
    assertThrows(() => open("mptcp0", { mtu: 1000 }, ["fd00::2/64"]), RangeError, "at least 1280");
  });

  it("tells a user without CAP_NET_ADMIN which commands make it", async () => {
    await using namespace = await makeNamespace();
    const drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    const body = `const link = tun("mptcp7", { mtu: 1400 });
      link.configure(["10.77.7.2/24", "fd00:77:7::2/64"]);
      try { new Loop().add(link); } catch (error) { console.log(error.name, error.message); }`;
    const { stdout } = await namespace.exec([...drop, ...program(body)]);
    assert(stdout.startsWith("PermissionDenied Cannot make the TUN device mptcp7"), stdout);
    assertEquals(stdout.trim().split("\n").slice(1), [
      "  sudo ip tuntap add dev mptcp7 mode tun user $USER vnet_hdr",
      "  sudo ip address add 10.77.7.1/24 dev mptcp7",
      "  sudo ip address add fd00:77:7::1/64 dev mptcp7",
      "  sudo ip link set mptcp7 up mtu 1400 txqueuelen 10000",
    ]);
    // And those commands are all it takes.
    const commands = stdout.trim().split("\n").slice(1).map((line) =>
      line.replace("sudo ip ", "").replace("$USER", "root")
    );
    await namespace.ip(...commands);
    const again = await namespace.exec([...drop, ...program(`${body} console.log(link.mtu);`)]);
    assertEquals(again.stdout, "1400\n");
  });

  it("says so when there is no /dev/net/tun", async () => {
    await using namespace = await makeNamespace();
    const body = `try { new Loop().add(tun("a")); } catch (e) { console.log(e.name, e.message); }`;
    const { stdout } = await namespace.exec([
      "unshare",
      "--mount",
      "sh",
      "-ec",
      'mount -t tmpfs none /dev/net; exec "$@"',
      "sh",
      ...program(body),
    ]);
    assert(stdout.startsWith("NotFound Cannot open a TUN device as there is no /dev/net/tun"));
  });

  needs("ping").it("may vanish without harm", async () => {
    await using it = await stand({}, new Recorder(pong));
    await it.namespace.exec(["ping", "-c", "1", "10.77.1.2"]);
    await it.namespace.ip("link set mptcp0 down");
    sendBytes(it.link, segment(it.link, SYN, new Uint8Array(0)), []);
    assertEquals(it.link.lost, 1);
    await it.namespace.ip("link delete mptcp0");
    const { resolve, promise } = Promise.withResolvers<void>();
    it.loop.at(it.loop.now() + 20_000, resolve);
    await promise;
    sendBytes(it.link, segment(it.link, SYN, new Uint8Array(0)), []);
    assertEquals(it.link.lost, 2);
  });
});
