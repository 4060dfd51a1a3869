import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { Lab } from "../../cli/lab.ts";
import { needs } from "../support/tools.ts";
import { capture } from "./support/capture.ts";
import { readDss } from "./support/dss_reader.ts";
import { type Role, Stand } from "./support/stand.ts";

/** What tshark finds with a filter: one line a packet. */
async function tshark(lab: Lab, path: string, filter: string): Promise<string[]> {
  const preferences = [
    "ip.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
    "mptcp.analyze_mptcp:TRUE",
    "mptcp.analyze_mappings:TRUE",
    "mptcp.relative_sequence_numbers:TRUE",
  ].flatMap((preference) => ["-o", preference]);
  const { stdout } = await lab.exec(["tshark", "-r", path, ...preferences, "-Y", filter]);
  return stdout.split("\n").filter((line) => line !== "");
}

/** The place of a byte of what `Meeting.send()` sends, whose neighbours differ by 31/8. */
function somePayload(file: Uint8Array): number {
  let run = 0;
  let at = file.length >> 1;
  for (; run < 64; at++) {
    const step = (file[at + 1]! - file[at]!) & 255;
    run = step === 3 || step === 4 ? run + 1 : 0;
  }
  return at;
}

/**
 * What must not be found. Where it has no offload, Linux writes a TCP checksum of 0 as 0xffff, which is the same number (RFC 1624 §3) but not what
 * RFC 9293 §3.1 computes; we do not.
 */
function suspect(lab: Lab): string {
  const ours = lab.paths.flatMap(({ host }) => host.map((address) => address.replace(/\/.*/, "")))
    .map((address) => `${address.includes(":") ? "ipv6" : "ip"}.src == ${address}`);
  return [
    "_ws.malformed",
    "mptcp.connection.echoed_key_mismatch",
    "mptcp.dss.infinite_mapping",
    "(mptcp.dss.missing_mapping && tcp.len > 0)",
    `(tcp.checksum.status == 0 && (tcp.checksum != 0xffff || ${ours.join(" || ")}))`,
    "ip.checksum.status == 0",
  ].join(" || ");
}

const captured = needs("kernel", "python3", "tcpdump", "tshark");

captured.describe("what goes over the wire without offload", () => {
  for (const [role, family] of [["client", 4], ["server", 6]] as [Role, 4 | 6][]) {
    it(`is well-formed, and all of its checksums are right, as ${role} over IPv${family}`, async () => {
      const folder = await Deno.makeTempDir({ prefix: "mptcp-interop-" });
      try {
        const path = `${folder}/x.pcap`;
        await using stand = await Stand.open({
          lab: { checksum: true, endpoints: family },
          interfaces: { family, tun: { offload: false } },
        });
        const { lab } = stand;
        const size = 4 << 20;
        await capture(lab, path, async () => {
          await using meeting = await stand.meet(role, "echo", { family });
          await meeting.greet();
          await meeting.exchange(size);
        });
        assertEquals(await tshark(lab, path, suspect(lab)), []);
        assert((await tshark(lab, path, "mptcp && tcp.checksum.status == 1")).length > 1000);
        const file = await Deno.readFile(path);
        const report = readDss(file);
        assertEquals(report.wrong, []);
        assert(report.senders.length >= 2, report.senders.join());
        assert(report.verifiedBytes >= 2 * size);
        // And it would have seen a single bit.
        file[somePayload(file)]! ^= 1;
        assert(readDss(file).wrong.length >= 1);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
});
