/**
 * One end of a transfer over UDP, a process of its own: `end.ts listen ADDRESS OFFLOAD` takes in what comes and prints bytes and seconds, without those of a warm-up;
 * `end.ts connect SERVER OFFLOAD SECONDS SUBFLOWS ADDRESS…` sends.
 */

import { print } from "../../cli/output.ts";
import { fullMesh, Host, udp } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";

const [role, first = "", kind, seconds = "1", subflows = "1", ...addresses] = Deno.args;
const offload = kind === "true";
const block = new Uint8Array(1 << 18);
const PORT = 5001;
/** Milliseconds in which V8 compiles what both processes, which are new, need: those are not counted. The other contestants go on from round to round. */
const WARM_UP = 2000;

if (role === "listen") {
  const link = udp("wan", { port: 8684, offload });
  await using host = await Host.open({ interfaces: [{ link, addresses: [`${first}/24`] }] });
  using listener = host.listen({ port: PORT });
  print("ready");
  using conn = await listener.accept();
  let received = 0;
  let start = Infinity;
  for (let count = await conn.read(block); count !== null; count = await conn.read(block)) {
    if (start === Infinity) start = performance.now() + WARM_UP;
    else if (received > 0) received += count;
    else if (performance.now() >= start) received = count;
  }
  print(`${received} ${(performance.now() - start) / 1000} ${link.sockets}`);
} else {
  await using host = await Host.open({
    interfaces: addresses.map((address, i) => ({
      link: udp(`path${i}`, { offload }),
      addresses: [`${address}/24`],
    })),
    pathManager: subflows === "1" ? passive() : fullMesh(),
  });
  using conn = await host.connect({ hostname: first, port: PORT });
  await conn.write(block.subarray(0, 10));
  while (subflows !== "1" && conn.info().subflows.length < Number(subflows)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const end = performance.now() + WARM_UP + Number(seconds) * 1000;
  while (performance.now() < end) await conn.write(block);
  await conn.closeWrite();
  await conn.closed;
}
