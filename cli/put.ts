/** `mptcp put`: uploads over HTTP over MPTCP. */

import type { IncomingMessage } from "node:http";
import { type Command, type Given, readSize, UsageError } from "./arguments.ts";
import { sendBody } from "./body.ts";
import { Digest, TestData } from "./data.ts";
import { Delivery } from "./delivery.ts";
import { type Exchange, exchange, readUrl } from "./exchange.ts";
import { HOST_OPTIONS } from "./observed_host.ts";
import { formatBytes, formatRate, formatTime } from "./output.ts";
import { TRANSFER_OPTIONS } from "./transfer.ts";

/** Most bytes of an answer that are looked at. */
const MOST_ANSWER = 65536;

/** What is sent. */
interface Body extends Disposable {
  readonly size: number;
  /** Puts the next bytes into `view`; returns how many, 0 at the end. */
  read(view: Uint8Array): number;
}

async function readBody(args: Given, file: string | undefined): Promise<Body> {
  if (file === undefined) {
    const size = readSize(args, "size", "32MB");
    const data = new TestData(1);
    return {
      size,
      read(view) {
        data.fill(view);
        return view.length;
      },
      [Symbol.dispose]() {},
    };
  }
  if (args.value("size") !== undefined) {
    throw new UsageError("mptcp put takes a FILE or a --size, not both");
  }
  const { isFile, size } = await Deno.stat(file);
  if (!isFile) throw new UsageError(`Cannot put ${file} as it is no file`);
  const open = await Deno.open(file);
  return {
    size,
    read: (view) => open.readSync(view) ?? 0,
    [Symbol.dispose]: () => open.close(),
  };
}

/** The beginning of an answer's body. */
async function readText(response: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    if (text.length < MOST_ANSWER) text += decoder.decode(piece, { stream: true });
  }
  return text;
}

/** Sends `body`, showing its progress; gives the server's answer. */
async function upload(
  exchange: Exchange,
  body: Body,
  digest: Digest,
  delivery: Delivery,
): Promise<IncomingMessage> {
  const { progress, transfer } = exchange;
  const bars = progress.begin(body.size);
  const draw = (): void => {
    delivery.figures.sample(performance.now() * 1000);
    const { bytes, figures } = delivery;
    bars.update({ name: "upload", bytes, detail: formatRate(delivery.rate) }, figures.carried);
  };
  const timer = setInterval(draw, 100);
  try {
    const request = exchange.request({
      method: "PUT",
      headers: { "content-length": `${body.size}`, "content-type": "application/octet-stream" },
    });
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject);
    });
    const sent = sendBody(request, exchange.duplex, body.size, (view) => {
      const bytes = body.read(view);
      digest.update(view.subarray(0, bytes));
      return bytes;
    });
    sent.catch(() => {}); // after an answer that came early, its failure is of no interest
    // A server that refuses answers before it has everything.
    const early = await Promise.race([answer, sent.then(() => null)]);
    if (early !== null && !isSuccess(early)) return early;
    await sent;
    const [response] = await Promise.all([answer, delivery.end()]);
    return response;
  } finally {
    clearInterval(timer);
    draw();
    bars.end();
    const { bytes, time, figures } = delivery;
    transfer.count(bytes, time, figures);
    transfer.note({ repeated: figures.repeated });
  }
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode <= 299;
}

async function run(args: Given): Promise<number> {
  const texts = [...args.positional];
  const text = texts.pop();
  const [file, ...more] = texts;
  if (text === undefined || more.length > 0) {
    throw new UsageError("mptcp put needs a URL: mptcp put FILE URL, or mptcp put --size 32MB URL");
  }
  const url = readUrl(text, "put");
  using body = await readBody(args, file);
  return await exchange("put", args, url, async (exchange) => {
    const { transfer } = exchange;
    const digest = new Digest();
    const delivery = new Delivery(exchange, body.size);
    const response = await upload(exchange, body, digest, delivery);
    if (!transfer.accepts(response)) return 1;
    const sum = digest.hex();
    const theirs = /\b[0-9a-f]{64}\b/.exec(await readText(response))?.[0];
    const same = theirs === undefined || theirs === sum;
    transfer.note({
      sha256: sum,
      sha256There: theirs ?? null,
      ...(same ? {} : { error: "The server has got other bytes" }),
    });
    const { bytes, time, rate, figures } = delivery;
    const how = figures.fallback ? "plain TCP, as the server does not speak MPTCP" : figures.shares;
    transfer.say(
      `${formatBytes(bytes)} in ${formatTime(time)}, ${
        formatRate(rate)
      }; ${how}\nby ${exchange.plugins}\nSHA-256 ${sum}` +
        (theirs === undefined ? "" : theirs === sum ? ", the same there" : `, but ${theirs} there`),
    );
    return same ? 0 : 1;
  });
}

/** The command. */
export const PUT: Command = {
  name: "put",
  positional: "[FILE] URL",
  summary: "upload over HTTP over MPTCP, to any server behind the kernel",
  text:
    `Uploads FILE, or --size bytes without one, to URL (http: only) by HTTP PUT through TUN devices, to a
server that this machine's kernel, or a network behind it, runs. Who sends chooses the paths and the
windows, so here your scheduler and congestion control are at work. Shows what each path carries,
and at the end the SHA-256 of what was sent, and whether the server of \`mptcp lab\` got the same.
Needs Linux, --allow-ffi, and CAP_NET_ADMIN to make the devices. To try it without leaving a trace
on the machine, run it inside \`mptcp lab\`.`,
  examples: [
    ["mptcp put video.mp4 http://10.77.1.1/video.mp4", "a file"],
    ["mptcp put --size 100MB http://10.77.1.1/ --scheduler ./mine.ts", "only to measure"],
    ["mptcp put --size 100MB http://10.77.1.1/ --json", "figures for a script"],
  ],
  options: {
    size: { value: "SIZE", help: "Bytes to send when there is no FILE. Default: 32MB" },
    ...TRANSFER_OPTIONS,
    ...HOST_OPTIONS,
  },
  run,
};
