/** `mptcp get URL`: downloads over HTTP over MPTCP. */

import { Agent, type IncomingMessage, request } from "node:http";
import { Host, type MptcpConn } from "../mod.ts";
import { sayFaults } from "../core/net/faults.ts";
import { toDuplex } from "../core/net/node.ts";
import { type Command, type Given, UsageError } from "./arguments.ts";
import { Digest } from "./data.ts";
import { PathFigures } from "./figures.ts";
import { formatBytes, formatRate, formatTime } from "./output.ts";
import { PLUGIN_OPTIONS, readPolicies } from "./policies.ts";
import { Progress } from "./progress.ts";
import { TUN_OPTIONS, tunInterfaces } from "./tun_options.ts";

/** Where a body goes. */
interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

async function openSink(path: string | undefined): Promise<Sink> {
  if (path === undefined && Deno.stdout.isTerminal()) {
    throw new UsageError(
      "Say where the file goes: -o FILE, or pipe it on (`-o /dev/null` only measures)",
    );
  }
  const file = path === undefined
    ? Deno.stdout
    : await Deno.open(path, { write: true, create: true, truncate: true });
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    },
    close: () => path === undefined || file.close(),
  };
}

/** Sends a GET over `conn`; resolves when the head of the response is there. */
function httpGet(url: URL, conn: MptcpConn): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    class OneConnection extends Agent {
      override createConnection(): ReturnType<typeof toDuplex> {
        return toDuplex(conn);
      }
    }
    const headers = { host: url.host, connection: "close", "user-agent": "mptcp" };
    request(url, { agent: new OneConnection(), headers }, resolve).on("error", reject).end();
  });
}

/** Reads the body of `response`, showing its progress; resolves to the number of bytes. */
async function receive(
  response: IncomingMessage,
  figures: PathFigures,
  sink: Sink,
  progress: Progress,
): Promise<string> {
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
  } finally {
    clearInterval(timer);
    draw();
    bars.end();
  }
  if (total > 0 && received !== total) {
    throw new Error(`Only ${received} of ${total} bytes came`);
  }
  const time = (performance.now() - start) * 1000;
  const how = figures.fallback ? "plain TCP, as the server does not speak MPTCP" : figures.shares;
  return `${formatBytes(received)} in ${formatTime(time)}, ${
    formatRate(received / Math.max(1, time) * 1e6)
  }; ${how}\nSHA-256 ${digest.hex()}`;
}

/** Reads the URL given. */
export function readUrl(text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null || url.hostname === "") {
    throw new UsageError(`Cannot get "${text}" as it is no URL: mptcp get http://10.77.1.1/file`);
  }
  if (url.protocol !== "http:") {
    throw new UsageError(`Cannot get ${text} as only http: URLs are spoken`);
  }
  return url;
}

async function run(args: Given): Promise<number> {
  const [text, ...more] = args.positional;
  if (text === undefined || more.length > 0) {
    throw new UsageError("mptcp get needs one URL: mptcp get URL [-o FILE]");
  }
  const url = readUrl(text);
  const policies = await readPolicies(args);
  const progress = new Progress();
  await using host = await Host.open({
    interfaces: tunInterfaces(args),
    onPluginFault: sayFaults((line) => progress.log(line)),
    ...policies,
  });
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error("Interrupted"));
  Deno.addSignalListener("SIGINT", stop);
  const sink = await openSink(args.value("output"));
  const waiting = setTimeout(() => progress.log(`Waiting for an answer of ${url.host} …`), 1500);
  try {
    await using conn = await host.connect({
      hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(url.port || 80),
      signal: controller.signal,
    });
    const figures = new PathFigures(conn, "received", performance.now() * 1000);
    const response = await httpGet(url, conn);
    clearTimeout(waiting);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) {
      progress.log(`The server answered ${status} ${response.statusMessage ?? ""}`.trimEnd());
      return 1;
    }
    progress.log(await receive(response, figures, sink, progress));
    return 0;
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(waiting);
    Deno.removeSignalListener("SIGINT", stop);
    progress.stop();
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
  ],
  options: {
    output: { value: "FILE", alias: "o", help: "Where the file goes. Default: standard output" },
    ...TUN_OPTIONS,
    ...PLUGIN_OPTIONS,
  },
  run,
};
