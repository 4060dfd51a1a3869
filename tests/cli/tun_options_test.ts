import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { DEFAULT_TUNS, parseTun } from "../../cli/tun_options.ts";

describe("--tun", () => {
  it("names a device, our addresses and the kernel's", () => {
    assertEquals(parseTun("tun0=10.0.0.2/24"), {
      name: "tun0",
      addresses: ["10.0.0.2/24"],
      kernelAddresses: [],
    });
    assertEquals(parseTun("tun0=10.0.0.2/24,fd00::2/64@10.0.0.9/24,fd00::9/64"), {
      name: "tun0",
      addresses: ["10.0.0.2/24", "fd00::2/64"],
      kernelAddresses: ["10.0.0.9/24", "fd00::9/64"],
    });
    assertEquals(DEFAULT_TUNS.map(parseTun).map(({ name }) => name), ["mptcp0", "mptcp1"]);
  });

  it("must be of that form", () => {
    const names = ["a b", 'a"b', "a*", "a/b", "a:b", "a\\b"].map((name) => `${name}=10.0.0.2/24`);
    for (const text of ["", "tun0", "tun0=", "=10.0.0.2/24", "tun0=10.0.0.2/24@", ...names]) {
      assertThrows(() => parseTun(text), UsageError, "--tun must be");
    }
  });
});
