/** A command at work, and what it has said so far. */

import { assert } from "@std/assert";
import { until } from "./wait.ts";

/** Seconds that a command may take to begin, on a machine that has more to do. */
const START = 60;

/** Made of a child whose output and errors are piped. */
export class Running {
  /** All of both. */
  said = "";
  readonly #records: Record<string, unknown>[] = [];
  /** How much of it has been looked at for records. */
  #read = 0;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>[];

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = [child.stdout, child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.said += text;
    });
  }

  /** Of the process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Lines of JSON that it has printed: each is read once, as there may be thousands, and somebody may wait for the next. */
  get records(): readonly Record<string, unknown>[] {
    const end = this.said.lastIndexOf("\n") + 1;
    for (const line of this.said.slice(this.#read, end).split("\n")) {
      if (line.startsWith("{")) this.#records.push(JSON.parse(line));
    }
    this.#read = Math.max(this.#read, end);
    return [...this.#records];
  }

  async until(text: string): Promise<void> {
    let over = false;
    void this.#child.status.then(() => over = true);
    await until(`it says "${text}"`, () => {
      assert(!over || this.said.includes(text), `it ended, having said: ${this.said}`);
      return this.said.includes(text);
    }, START);
  }

  /** Ends it; its exit code. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.#child.kill(signal);
    return await this.ended();
  }

  /** Waits for its end; its exit code. */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await Promise.all(this.#reading);
    return code;
  }
}
