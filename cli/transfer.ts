/** What `mptcp get` and `mptcp put` tell of their transfer: in words, or by a line of JSON (docs/watching.md). */

import type { IncomingMessage } from "node:http";
import type { Micros } from "../mod.ts";
import type { Given, Option } from "./arguments.ts";
import { bytesByName, type PathFigures } from "./figures.ts";
import { print, printable } from "./output.ts";
import type { PluginNames } from "./policies.ts";
import type { Progress } from "./progress.ts";

/** What a transfer comes to; null, or missing, is what did not get that far. */
export interface TransferRecord {
  /** Where from, or where to. */
  readonly url: string;
  /** The HTTP status of the answer. */
  readonly status: number | null;
  /** What went wrong; null: all is there. */
  readonly error: string | null;
  /** Bytes of the body that came, or that the server has. */
  readonly bytes: number;
  /** How long they took. */
  readonly seconds: number;
  /** Sum of the whole body. */
  readonly sha256: string | null;
  /** Sum that the server says it has got. */
  readonly sha256There?: string | null;
  /** It was plain TCP. */
  readonly fallback?: boolean;
  /** Bytes by path. */
  readonly paths?: Readonly<Record<string, number>>;
  /** Bytes that were sent again. */
  readonly repeated?: number;
  /** The plugins at work. */
  readonly policies?: PluginNames;
}

/** The option that asks for it. */
export const TRANSFER_OPTIONS: Readonly<Record<string, Option>> = {
  json: { help: "Tells of the transfer by a line of JSON on the standard output" },
};

/** The telling of one transfer. */
export class Transfer {
  readonly #progress: Progress;
  readonly #json: boolean;
  #record: TransferRecord;

  /** One between here and `url`. */
  constructor(url: URL, args: Given, progress: Progress) {
    this.#progress = progress;
    this.#json = args.has("json");
    this.#record = { url: url.href, status: null, error: null, bytes: 0, seconds: 0, sha256: null };
  }

  /** Takes what has become known. */
  note(part: Partial<TransferRecord>): void {
    this.#record = { ...this.#record, ...part };
  }

  /** Takes how the body has gone over the paths. */
  count(bytes: number, time: Micros, figures: PathFigures): void {
    this.note({
      bytes,
      seconds: Math.round(time / 1e3) / 1e3,
      fallback: figures.fallback,
      paths: bytesByName(figures.bytes),
    });
  }

  /** The answer is `response`; gives whether it means that there is a transfer, and tells where not. */
  accepts({ statusCode: status = 0, statusMessage = "" }: IncomingMessage): boolean {
    this.note({ status });
    if (status >= 200 && status <= 299) return true;
    const error = `The server answered ${status} ${printable(statusMessage)}`.trimEnd();
    this.note({ error });
    this.#progress.log(error);
    return false;
  }

  /** Tells in words what came of it, where nobody has asked for JSON in their place. */
  say(words: string): void {
    if (!this.#json) this.#progress.log(words);
  }

  /** It is over, and so are its connection and its host. */
  end(): void {
    if (this.#json) print(JSON.stringify(this.#record));
  }
}
