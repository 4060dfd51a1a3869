/** What a user may choose of the TCP engine: where it holds, and what is refused. */

import { assertEquals, assertThrows } from "@std/assert";
import { tcpSettings } from "../../core/net/tcp_options.ts";
import { DEFAULT_SETTINGS } from "../../core/subflow/settings.ts";
import { emulate } from "../../mod.ts";

Deno.test("'tcp' says nothing: the settings are those below it", () => {
  assertEquals(tcpSettings("connect", undefined), DEFAULT_SETTINGS);
  const base = { ...DEFAULT_SETTINGS, sack: false };
  assertEquals(tcpSettings("connect", undefined, base), base);
  assertEquals(tcpSettings("connect", {}, base), base);
  assertEquals(tcpSettings("connect", { sack: true }, base), DEFAULT_SETTINGS);
});

Deno.test("'tcp' is checked: an option that is not there, a value that is none", () => {
  assertThrows(
    () => tcpSettings("connect", { sacks: true } as never),
    TypeError,
    "Cannot connect with 'tcp' as there is no option 'sacks'",
  );
  assertThrows(
    () => tcpSettings("listen", { sack: 1 } as never),
    TypeError,
    "Cannot listen as 'tcp.sack' must be true or false: current value is 1",
  );
});

Deno.test("'tcp' of a listener bounds half-open connections, and says when SYNs are answered by cookies", () => {
  const { synBacklog, synCookies } = tcpSettings("listen", { synBacklog: 7, synCookies: "off" });
  assertEquals([synBacklog, synCookies], [7, "off"]);
  for (const value of [0, 65536, 1.5, NaN, "7"]) {
    assertThrows(
      () => tcpSettings("listen", { synBacklog: value } as never),
      RangeError,
      "Cannot listen as 'tcp.synBacklog' must be an integer from 1 to 65535: current value is",
    );
  }
  assertThrows(
    () => tcpSettings("listen", { synCookies: true } as never),
    TypeError,
    'Cannot listen as \'tcp.synCookies\' must be one of "off", "pressure", "always": current value is true',
  );
});

for (const side of ["host", "connect", "listen"] as const) {
  Deno.test(`'tcp' of ${side} without SACK: it is not agreed`, async () => {
    const off = { tcp: { sack: false } };
    await using net = emulate({
      paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } },
      ...(side === "host" ? off : {}),
    });
    using listener = net.server.listen({ port: 80, ...(side === "listen" ? off : {}) });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80, ...(side === "connect" ? off : {}) }),
      listener.accept(),
    ]);
    using _conn = conn;
    using _peer = peer;
    for (const { tcp } of [...conn.info().subflows, ...peer.info().subflows]) {
      assertEquals(tcp.options & 2, 0);
    }
  });
}
