/**
 * An MPTCP peer that does what a script says, against the kernel: `mptcp lab -- deno run -A docs/examples/scripted_peer.ts`. It joins a second path
 * as backup, swaps the priorities in the middle of a download, loses one packet of its choice and takes the first path away.
 */

import { filter, Host, impair, tun } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";
import { print } from "../../cli/output.ts";

/** Loses the 21st packet that leaves; a filter sees all of a packet, an element of your own may change it. */
const lossy = impair(tun("mptcp0"), { send: [filter((_bytes, index) => index !== 20)] });

await using host = await Host.open({
  interfaces: [
    { link: lossy, addresses: ["10.77.1.2/24"] },
    { link: tun("mptcp1"), addresses: ["10.77.2.2/24"] },
  ],
  // The script decides: what the kernel wants to join is refused.
  pathManager: { ...passive(), create: () => ({ onEvent() {}, refuse: () => 3 }) },
});
await using conn = await host.connect({ hostname: "10.77.1.1", port: 80 });
await conn.write(new TextEncoder().encode("GET /12MB HTTP/1.0\r\n\r\n"));

const { paths } = conn;
const buffer = new Uint8Array(65536);
let received = 0;

/** Reads until `bytes` have come, then tells what each path has carried. */
async function readUpTo(bytes: number): Promise<void> {
  while (received < bytes) {
    const count = await conn.read(buffer);
    if (count === null) break;
    received += count;
  }
  const carried = conn.info().subflows.map(({ path, backup, tcp }) =>
    `path ${path}${backup ? " (backup)" : ""} ${(tcp.bytes_received / 1e6).toFixed(1)} MB`
  );
  print(`${(received / 1e6).toFixed(1)} MB: ${carried.join(", ")}`);
}

await readUpTo(1e6);
const second = paths.index({ local: paths.locals[1]!, remote: paths.remotes[0]! });
paths.setBackup(second, true);
paths.use([1, second]); // MP_JOIN with the B bit
await readUpTo(4e6);
paths.setBackup(second, false); // MP_PRIO
paths.setBackup(1, true);
await readUpTo(8e6);
paths.use([second]); // FIN on the first path
await readUpTo(Infinity);
print(
  `lost ${lossy.counts?.send.dropped.filter ?? 0} on purpose; ${JSON.stringify(host.counters)}`,
);
