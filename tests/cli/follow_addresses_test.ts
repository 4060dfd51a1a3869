import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { nextAddress } from "../../cli/follow_addresses.ts";

describe("a path over UDP whose address is gone", () => {
  const wifi = { device: "wlan0", address: "192.168.1.5" };
  const next = (
    path: typeof wifi,
    system: readonly (readonly [name: string, address: string])[],
    ...taken: readonly string[]
  ): string | undefined =>
    nextAddress(
      path,
      system.map(([name, address]) => ({ name, address, cidr: "" })),
      new Set([path.address, ...taken]),
    );

  it("goes on from another one of its card", () => {
    assertEquals(next(wifi, [["lo", "127.0.0.1"], ["wlan0", "10.1.2.3"]]), "10.1.2.3");
    assertEquals(next(wifi, [["wlan0:1", "10.1.2.3"]]), "10.1.2.3");
  });

  it("stays where it has its own, wherever that is, or there is no other", () => {
    assertEquals(next(wifi, [["wlan0", "10.1.2.3"], ["wlan0", "192.168.1.5"]]), undefined);
    assertEquals(next(wifi, [["eth0", "192.168.1.5"], ["wlan0", "10.1.2.3"]]), undefined);
    assertEquals(next(wifi, []), undefined);
  });

  it("takes none of another card or family, none of one link alone, and none of another path", () => {
    const system = [
      ["eth0", "10.1.2.3"],
      ["wlan0", "2001:db8::7"],
      ["wlan0", "169.254.3.4"],
      ["wlan0", "10.9.9.9"],
    ] as const;
    assertEquals(next(wifi, system, "10.9.9.9"), undefined);
    const six = { device: "wlan0", address: "2001:db8::5" };
    assertEquals(next(six, [["wlan0", "10.1.2.3"], ["wlan0", "fe80::1"]]), undefined);
    assertEquals(next(six, system), "2001:db8::7");
  });
});
