/** `mptcp get URL`: downloads over HTTP over MPTCP. */

import type { IncomingMessage } from "node:http";
import { type Command, type Given, UsageError } from "./arguments.ts";
import { Digest } from "./data.ts";
import { type Exchange, exchange, readUrl } from "./exchange.ts";
import { PathFigures } from "./figures.ts";
import { HOST_OPTIONS } from "./observed_host.ts";
import { formatBytes, formatRate, formatTime, openWritable } from "./output.ts";
import { TRANSFER_OPTIONS } from "./transfer.ts";

/** Where a body goes. What stood there is gone from the first byte on; where none comes all stays as it was. */
interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** All has come, which may be nothing. */
  finish(): Promise<void>;
  close(): void;
}

/** Opens where a body goes, before the transfer, so that a wrong name costs none. */
export async function openSink(path: string | undefined): Promise<Sink> {
  if (path === undefined) {
    if (Deno.stdout.isTerminal()) {
      throw new UsageError(
        "Say where the file goes: -o FILE, or pipe it on (`-o /dev/null` only measures)",
      );
    }
    return { write: (bytes) => writeTo(Deno.stdout, bytes), finish: async () => {}, close() {} };
  }
  const { file, unmake } = await openWritable(path);
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    // A device or a pipe has no length.
    if ((await file.stat()).isFile) await file.truncate();
  };
  return {
    async write(bytes) {
      await begin();
      await writeTo(file, bytes);
    },
    finish: begin,
    close: () => begun ? file.close() : unmake(),
  };
}

async function writeTo(
  file: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

function ended(received: number, total: number): string {
  const whole = total > 0 ? ` of ${formatBytes(total)}` : "";
  return `The server ended the connection after ${formatBytes(received)}${whole}`;
}

/** Reads the body of `response`, showing its progress, and tells what came of it. */
async function receive(
  response: IncomingMessage,
  { duplex, progress, transfer }: Exchange,
  figures: PathFigures,
  sink: Sink,
): Promise<void> {
  const total = Number(response.headers["content-length"] ?? 0);
  const bars = progress.begin(total);
  const digest = new Digest();
  const start = performance.now();
  let received = 0;
  const draw = (): void => {
    figures.sample(performance.now() * 1000);
    const rate = formatRate(received / Math.max(1, performance.now() - start) * 1000);
    bars.update({ name: "download", bytes: received, detail: rate }, figures.carried);
  };
  const timer = setInterval(draw, 100);
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      digest.update(chunk);
      await sink.write(chunk);
    }
  } catch (error) {
    // What node:http says of an end that comes early, whatever the reason: the connection knows it.
    if ((error as { code?: string }).code !== "ECONNRESET") throw error;
    const { errored: broken } = duplex;
    throw broken ?? new Error(ended(received, total), { cause: error });
  } finally {
    clearInterval(timer);
    draw();
    bars.end();
    transfer.count(received, (performance.now() - start) * 1000, figures);
  }
  if (total > 0 && received !== total) {
    throw new Error(ended(received, total));
  }
  await sink.finish();
  const time = (performance.now() - start) * 1000;
  const how = figures.fallback ? "plain TCP, as the server does not speak MPTCP" : figures.shares;
  const sha256 = digest.hex();
  transfer.note({ sha256 });
  transfer.say(
    `${formatBytes(received)} in ${formatTime(time)}, ${
      formatRate(received / Math.max(1, time) * 1e6)
    }; ${how}\nSHA-256 ${sha256}`,
  );
}

async function run(args: Given): Promise<number> {
  const [text, ...more] = args.positional;
  if (text === undefined || more.length > 0) {
    throw new UsageError("mptcp get needs one URL: mptcp get URL [-o FILE]");
  }
  const url = readUrl(text, "get");
  if (args.has("json") && args.value("output") === undefined) {
    throw new UsageError("--json prints where the file would go: say -o FILE, too");
  }
  const sink = await openSink(args.value("output"));
  try {
    return await exchange("get", args, url, async (exchange) => {
      const figures = new PathFigures(exchange.conn, "received", performance.now() * 1000);
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        exchange.request({}).on("response", resolve).on("error", reject).end();
      });
      if (!exchange.transfer.accepts(response)) return 1;
      await receive(response, exchange, figures, sink);
      return 0;
    });
  } finally {
    sink.close();
  }
}

/** The command. */
export const GET: Command = {
  name: "get",
  positional: "URL",
  summary: "download over HTTP over MPTCP, from any server behind the kernel",
  text:
    `Downloads URL (http: only) through TUN devices from a server that this machine's kernel, or a
network behind it, runs. A server that does not speak MPTCP is served by plain TCP. Shows what each
path carries, and at the end the SHA-256 of what came.
Needs Linux, --allow-ffi, and CAP_NET_ADMIN to make the devices. To try it without leaving a trace
on the machine, run it inside \`mptcp lab\`.`,
  examples: [
    ["mptcp get http://10.77.1.1/video.mp4 -o video.mp4", "into a file"],
    ["mptcp get http://10.77.1.1/video.mp4 -o /dev/null --cc reno", "only to measure"],
    ["mptcp get http://10.77.1.1/list.txt | sort", "into a pipe"],
    ["mptcp get http://10.77.1.1/32MB -o /dev/null --json", "figures for a script"],
  ],
  options: {
    output: { value: "FILE", alias: "o", help: "Where the file goes. Default: standard output" },
    ...TRANSFER_OPTIONS,
    ...HOST_OPTIONS,
  },
  run,
};
