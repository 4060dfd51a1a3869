/** Who may read what `--pcap` and `--qlog` write: packets hold what is sent, and comments the keys of connections. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Capture } from "../../cli/capture.ts";

describe("captures", () => {
  it("are for their owner's eyes alone", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const [pcap, qlog] = [`${folder}/a.pcapng`, `${folder}/a.qlog`];
      using _ = new Capture("test", pcap, qlog, () => {});
      for (const path of [pcap, qlog]) {
        assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600, path);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
