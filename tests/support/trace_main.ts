/**
 * Runs a program on an emulated network and prints a digest of every packet with its time, for comparison between processes. The program uses what
 * depends on the event loop: streams, gzip, node:http, work outside, timers of virtual time; and work of its own that takes another real time in each
 * process, while other coroutines move data.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer, request } from "node:http";
import { toDuplex } from "../../core/net/node.ts";
import { emulate, type Emulation } from "../../mod.ts";
import { pattern } from "./streams.ts";

const hash = createHash("sha256");
let packets = 0;

/** Work of its own, of another kind and for another real time each time. */
async function work(): Promise<void> {
  const length = Math.ceil(Math.random() * 4e6);
  switch (Math.floor(Math.random() * 4)) {
    case 0:
      return await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    case 1:
      return void await crypto.subtle.digest("SHA-512", new Uint8Array(length));
    case 2:
      return void await Deno.readFile(new URL(import.meta.url));
    default:
      for (let i = 0; i < length; i += 2e5) {
        await new Promise((resolve) => setImmediate(resolve));
      }
  }
}

/** Requests and answers with work before each, and a transfer beside them. One piece of work at a time: two would go on in the order in which they end. */
async function busyProgram(net: Emulation): Promise<void> {
  const listener = net.server.listen({ port: 81 });
  const bulk = net.server.listen({ port: 82 });
  const answer = async (): Promise<void> => {
    using conn = await listener.accept();
    const buffer = new Uint8Array(1000);
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      await work();
      await conn.write(buffer.subarray(0, got));
    }
  };
  const ask = async (): Promise<void> => {
    using conn = await net.client.connect({ hostname: "server", port: 81 });
    const buffer = new Uint8Array(1000);
    for (let i = 0; i < 30; i++) {
      await conn.write(pattern(500, i));
      await conn.read(buffer);
      await work();
    }
  };
  const receive = async (): Promise<void> => {
    using conn = await bulk.accept();
    await conn.readable.pipeTo(new WritableStream());
  };
  const send = async (): Promise<void> => {
    using conn = await net.client.connect({ hostname: "server", port: 82 });
    const writer = conn.writable.getWriter();
    for (let i = 0; i < 60; i++) await writer.write(pattern(5e4, i));
    await writer.close();
  };
  await Promise.all([answer(), ask(), receive(), send()]);
  bulk.close();
  listener.close();
}

async function main(): Promise<void> {
  await using net = emulate({
    seed: Number(Deno.args[0] ?? 1),
    paths: {
      wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.01 },
      lte: { rate: "12 Mbit/s", delay: "40 ms", loss: 0.001 },
    },
    trace: ({ event, at, link, from, bytes }) => {
      packets++;
      hash.update(`${event} ${at} ${link} ${from} ${bytes.length} `).update(bytes);
    },
  });
  const listener = net.server.listen({ port: 80 });
  const serve = async (): Promise<void> => {
    using conn = await listener.accept();
    await conn.readable.pipeThrough(new DecompressionStream("gzip")).pipeTo(conn.writable);
  };
  const call = async (): Promise<number> => {
    const conn = await net.client.connect({ hostname: "server", port: 80 });
    const bytes = await net.outside(Promise.resolve(pattern(1e6, 5)));
    const body = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    const sent = body.pipeTo(conn.writable);
    let length = 0;
    for await (const chunk of conn.readable) length += chunk.length;
    await sent;
    conn.close();
    return length;
  };
  const disturb = async (): Promise<void> => {
    await net.sleep("300 ms");
    net.path("wifi").cut();
    await net.sleep("700 ms");
    net.path("wifi").restore();
  };
  const [length] = await Promise.all([call(), serve(), disturb()]);
  const server = createServer((_, response) => {
    response.sendDate = false; // real time
    response.end(Buffer.alloc(3e5, 7));
  });
  const answer = async (): Promise<void> => {
    server.emit("connection", toDuplex(await listener.accept()));
  };
  const fetched = async (): Promise<number> => {
    const conn = await net.client.connect({ hostname: "server", port: 80 });
    return await new Promise((resolve, reject) => {
      let total = 0;
      request({ createConnection: () => toDuplex(conn), host: "server" }, (response) => {
        response.on("data", (chunk) => total += chunk.length);
        response.on("end", () => resolve(total));
      }).on("error", reject).end();
    });
  };
  const [page] = await Promise.all([fetched(), answer()]);
  await busyProgram(net);
  const line = `${length} ${page} ${packets} ${net.now} ${hash.copy().digest("hex")}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}

await main();
// All is said. Where Deno 2.9 ends a process by itself it crashes now and then (SIGSEGV, in one run of 25).
Deno.exit();
