import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { TargetError } from "../../cli/gateway/target.ts";
import { devicesTowards } from "../../cli/routes.ts";
import { explainSilence, offTheWay, udpAddresses } from "../../cli/udp_options.ts";
import { parseAddress } from "../../core/wire/ip.ts";

describe("a relay that does not answer", () => {
  const silence = new Deno.errors.TimedOut("no answer came");

  it("is told of with what it needs, which is not more time", () => {
    const cases = [
      [
        "in datagrams to UDP port 8684",
        "the same key, and be reached in datagrams to UDP port 8684",
      ],
      ["", "find their way there and back (--via udp needs no routes)"],
    ] as const;
    for (const [udpPort, what] of cases) {
      const error = explainSilence(silence, "192.0.2.1:1081", udpPort);
      assert(error instanceof TargetError);
      assertEquals(error.outcome, "timed out");
      assertStringIncludes(error.message, "192.0.2.1:1081 does not answer");
      assertStringIncludes(error.message, what);
    }
  });

  it("is no other error", () => {
    const refused = new Deno.errors.ConnectionRefused("nothing listens");
    assertEquals(explainSilence(refused, "192.0.2.1:1081", ""), refused);
  });
});

describe("addresses that are paths to a relay", () => {
  const system = [
    ["wlan0", "192.168.1.5", "192.168.1.5/24"],
    ["wwan0", "10.20.30.40", "10.20.30.40/24"],
    ["lan", "10.92.0.1", "10.92.0.1/24"],
    ["wlan0", "2001:db8::5", "2001:db8::5/64"],
    ["lan", "fd00::1", "fd00::1/64"],
  ].map(([name = "", address = "", cidr = ""]) => ({ name, address, cidr }));
  const specs = udpAddresses([], system);
  // As `ip -j route show table all` prints them.
  const routes = [
    { dst: "default", gateway: "192.168.1.1", dev: "wlan0", flags: [] },
    { dst: "default", gateway: "10.20.30.1", dev: "wwan0", table: "102", flags: [] },
    { dst: "10.92.0.0/24", dev: "lan", prefsrc: "10.92.0.1", flags: [] },
    { type: "local", dst: "10.92.0.1", dev: "lan", table: "local", flags: [] },
    { type: "unreachable", dst: "default", dev: "lan", flags: [] },
    { dst: "198.51.100.7", flags: [], nexthops: [{ dev: "lan" }, { dev: "wlan0" }] },
  ];
  const off = (relay: string, its: readonly object[] = routes): string[] => {
    const address = parseAddress(relay)!;
    const devices = devicesTowards([address], its);
    const towards = address.family === 4 ? { 4: devices, 6: null } : { 4: null, 6: devices };
    return offTheWay(specs, towards).map(({ address }) => address);
  };

  it("are those of cards from which a route leads to it, in any table", () => {
    assertEquals(off("203.0.113.7"), ["10.92.0.1/24"]);
    // One that is in the network behind a card, or has a route of its own.
    assertEquals(off("10.92.0.9"), []);
    assertEquals(off("198.51.100.7"), []);
    assertEquals(off("2001:db8:1::7", [{ dst: "default", dev: "wlan0" }]), ["fd00::1/64"]);
  });

  it("are those with a label, too, as of the device that it is a label of", () => {
    const labelled = udpAddresses([], [
      ...system,
      { name: "wlan0:1", address: "192.168.1.6", cidr: "192.168.1.6/24" },
    ]);
    assertEquals(labelled.at(-1)!.device, "wlan0");
    const towards = { 4: devicesTowards([parseAddress("203.0.113.7")!], routes), 6: null };
    assertEquals(offTheWay(labelled, towards).map(({ address }) => address), ["10.92.0.1/24"]);
  });

  it("are all where nothing is known, or none would be left", () => {
    assertEquals(offTheWay(specs, { 4: null, 6: null }), []);
    assertEquals(offTheWay(specs.slice(0, 3), { 4: new Set(), 6: null }), []);
  });
});
