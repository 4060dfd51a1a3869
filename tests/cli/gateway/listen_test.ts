/** How ends are written: HOST:PORT, or the host alone where a port goes without saying. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { UsageError } from "../../../cli/arguments.ts";
import { readHost } from "../../../cli/gateway/listen.ts";

describe("a host with or without a port", () => {
  it("is read as it is meant", () => {
    for (
      const [text, host, port] of [
        ["relay.example.org", "relay.example.org", 1081],
        ["relay.example.org:9", "relay.example.org", 9],
        ["192.0.2.1", "192.0.2.1", 1081],
        ["2001:db8::1", "2001:db8::1", 1081],
        ["[2001:db8::1]", "2001:db8::1", 1081],
        ["[2001:db8::1]:9", "2001:db8::1", 9],
      ] as const
    ) assertEquals(readHost(text, "relay", 1081), { host, port }, text);
  });

  it("is refused as it was written, with what is accepted", () => {
    for (const text of ["", "a:0", "a:99999", "a:b", "a b", "[::1", "a:", "-a"]) {
      assertThrows(
        () => readHost(text, "relay", 1081),
        UsageError,
        `--relay must be HOST or HOST:PORT, with a port from 1 to 65535: it is "${text}"`,
      );
    }
  });
});
