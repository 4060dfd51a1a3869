/** One HTTP request over one connection, on TUN devices: what `mptcp get` and `mptcp put` share. */

import { Agent, type ClientRequest, request, type RequestOptions } from "node:http";
import type { MptcpConn } from "../mod.ts";
import { type MptcpDuplex, toDuplex } from "../core/net/node.ts";
import { type Given, UsageError } from "./arguments.ts";
import { openHost } from "./observed_host.ts";
import { explain } from "./output.ts";
import { Progress } from "./progress.ts";
import { Interrupted, onInterrupt } from "./signals.ts";
import { Transfer } from "./transfer.ts";

/** Milliseconds without an answer after which the user is told what is waited for. */
const PATIENCE = 1500;

/** Reads the URL given. */
export function readUrl(text: string, command: string): URL {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null || url.hostname === "") {
    throw new UsageError(
      `Cannot ${command} "${text}" as it is no URL: mptcp ${command} http://10.77.1.1/file`,
    );
  }
  if (url.protocol !== "http:") {
    throw new UsageError(`Cannot ${command} ${text} as only http: URLs are spoken`);
  }
  return url;
}

/** An error of `node:http` in words of ours: those that are none of it as they are. */
function inWords(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, message } = error as Error & { code?: unknown };
  if (`${code}`.startsWith("HPE_")) {
    return new Error("The server's answer is not HTTP: check the port", { cause: error });
  }
  if (message === "socket hang up") {
    return new Error("The server ended the connection before it answered", { cause: error });
  }
  return error;
}

/** A connection to the server of a URL. */
export class Exchange {
  /** The connection. */
  readonly conn: MptcpConn;
  /** The stream that HTTP speaks over. */
  readonly duplex: MptcpDuplex;
  /** The plugins at work, in words. */
  readonly plugins: string;
  /** Where progress is shown. */
  readonly progress: Progress;
  /** Where is told what comes of it. */
  readonly transfer: Transfer;
  readonly #url: URL;

  /** Speaks HTTP over `conn`. */
  constructor(
    conn: MptcpConn,
    url: URL,
    plugins: string,
    progress: Progress,
    transfer: Transfer,
  ) {
    this.conn = conn;
    this.plugins = plugins;
    this.duplex = toDuplex(conn);
    this.progress = progress;
    this.transfer = transfer;
    this.#url = url;
  }

  /** Begins a request; its body and its answer are up to the caller. */
  request(options: RequestOptions): ClientRequest {
    const { duplex } = this;
    class OneConnection extends Agent {
      override createConnection(): MptcpDuplex {
        return duplex;
      }
    }
    return request(this.#url, {
      ...options,
      agent: new OneConnection(),
      headers: {
        host: this.#url.host,
        connection: "close",
        "user-agent": "mptcp",
        ...options.headers as Record<string, string>,
      },
    });
  }
}

/** Opens a host on the devices that `args` name, connects to the server of `url` and calls `use`; Ctrl-C ends it. */
export async function exchange(
  command: "get" | "put",
  args: Given,
  url: URL,
  use: (exchange: Exchange) => Promise<number>,
): Promise<number> {
  const progress = new Progress();
  const transfer = new Transfer(url, args, progress);
  const controller = new AbortController();
  using _signals = onInterrupt((signal) => controller.abort(new Interrupted(signal)));
  let waiting: ReturnType<typeof setTimeout> | undefined;
  try {
    await using opened = await openHost(command, args, progress);
    transfer.note({ policies: opened.plugins });
    waiting = setTimeout(() => progress.log(`Waiting for ${url.host} to answer …`), PATIENCE);
    try {
      await using conn = await opened.host.connect({
        hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: Number(url.port || 80),
        signal: controller.signal,
      });
      clearTimeout(waiting);
      return await use(new Exchange(conn, url, opened.policies, progress, transfer));
    } catch (error) {
      throw opened.explain(error);
    }
  } catch (error) {
    const said = controller.signal.aborted ? controller.signal.reason : inWords(error);
    transfer.note({ error: said instanceof Error ? explain(said) : String(said) });
    throw said;
  } finally {
    clearTimeout(waiting);
    progress.stop();
    transfer.end();
  }
}
