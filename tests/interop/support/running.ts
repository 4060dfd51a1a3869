/** A command at work, and what it has said so far. */

import { assert } from "@std/assert";
import { until } from "./wait.ts";

/** Seconds that a command may take to begin, on a machine that has more to do. */
const START = 60;

/** Made of a child whose output and errors are piped. */
export class Running {
  /** All of both. */
  said = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>[];

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = [child.stdout, child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.said += text;
    });
  }

  /** Lines of JSON that it has printed. */
  get records(): Record<string, unknown>[] {
    return this.said.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
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
