/** A UDP socket of Linux by itself. */

import { assertEquals } from "@std/assert";
import { createSocket } from "node:dgram";
import { describe, it } from "@std/testing/bdd";
import { LinuxSocket } from "../../../core/link/udp/linux_socket.ts";
import { socketAddress } from "../../../core/link/udp/socket_address.ts";
import { packet_alloc, packet_free } from "../../../wasm/mod.ts";
import { until } from "../../interop/support/wait.ts";

/** Room for what one reception may bring. */
const BUFFER = 65536;

describe("a socket of Linux", () => {
  it("is drained until no more is wanted for now, and goes on with the next", async () => {
    if (Deno.build.os !== "linux") return;
    const socket = new LinuxSocket(socketAddress(Uint8Array.of(127, 0, 0, 1), 0));
    const buffer = packet_alloc(BUFFER);
    let wanted = 3;
    let came = 0;
    try {
      socket.attach({
        buffer,
        get enough() {
          return came >= wanted;
        },
        received: () => void came++,
        troubled() {},
        writable() {},
      });
      const sender = createSocket("udp4");
      const { port } = socket.local;
      for (let i = 0; i < 10; i++) sender.send(Uint8Array.of(i), port, "127.0.0.1");
      let drained = 0;
      await until("something comes", () => (drained += socket.drain(64)) > 0);
      assertEquals([drained, came], [3, 3]);
      wanted = Infinity;
      await until("the others come", () => (drained += socket.drain(64)) === 10);
      assertEquals(came, 10);
      sender.close();
    } finally {
      socket.close();
      packet_free(buffer);
    }
  });
});
