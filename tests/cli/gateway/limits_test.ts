import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Turn, Turns } from "../../../cli/gateway/limits.ts";
import { RelayClient } from "../../../cli/gateway/upstream.ts";
import { SharedKey } from "../../../cli/gateway/key.ts";
import { RelayServer } from "../../../cli/gateway/relay_server.ts";
import { hearProxy } from "../../../cli/gateway/handshake.ts";
import { pipe, type PipeEnd } from "./support.ts";

/** Lets what waits for a promise go on. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}

/** Turns by a clock of its own. */
class Clock {
  now = 0;
  readonly turns: Turns;
  readonly begun: Turn[] = [];

  constructor(most: number) {
    this.turns = new Turns(most, () => this.now);
  }

  async ask(count: number): Promise<void> {
    for (let i = 0; i < count; i++) void this.turns.begin().then((turn) => this.begun.push(turn));
    await settle();
  }

  /** Ends all that have begun, after so long. */
  async hear(milliseconds: number): Promise<void> {
    this.now += milliseconds;
    for (const turn of this.begun.splice(0)) turn.heard();
    await settle();
  }
}

describe("turns", () => {
  it("are so many at once; who ends one gives it to who waits longest, once", async () => {
    const clock = new Clock(2);
    await clock.ask(4);
    assertEquals(clock.begun.length, 2);
    clock.begun[0]!.over();
    clock.begun[0]!.over();
    clock.begun[0]!.heard();
    await settle();
    assertEquals(clock.begun.length, 3);
  });

  it("are fewer when they become long, four at least, and more again when they are short", async () => {
    const clock = new Clock(96);
    await clock.ask(96);
    await clock.hear(600);
    assertEquals(clock.turns.limit, 96);
    await clock.ask(96);
    await clock.hear(2200);
    assertEquals(clock.turns.limit, 96); // twice as long, and a second more: as it may be far away
    await clock.ask(96);
    await clock.hear(2300);
    assertEquals(clock.turns.limit, 4);
    await clock.ask(96);
    assertEquals(clock.begun.length, 4);
    for (let i = 0; i < 24; i++) await clock.hear(600);
    assertEquals([clock.turns.limit, clock.begun.length], [96, 0]);
  });

  it("are long as well where the way is: when the near path has gone they are as many again", async () => {
    const clock = new Clock(96);
    await clock.ask(4);
    await clock.hear(88);
    await clock.ask(500);
    const together: number[] = [];
    while (clock.begun.length > 0) {
      together.push(clock.begun.length);
      await clock.hear(1200);
    }
    assertEquals(together, [96, 4, 8, 16, 32, 64, 96, 96, 88]);
  });

  it("of an end that has too much to do stay few, whatever it had before", async () => {
    const clock = new Clock(96);
    await clock.ask(4);
    await clock.hear(88);
    await clock.ask(200);
    const together: number[] = [];
    while (clock.begun.length > 0) {
      together.push(clock.begun.length);
      await clock.hear(6000);
    }
    assertEquals(together, [96, ...new Array(26).fill(4)]);
  });

  it("that come to nothing tell nothing of how many there may be", async () => {
    const clock = new Clock(8);
    await clock.ask(8);
    await clock.hear(10);
    await clock.ask(8);
    clock.now += 30_000;
    for (const turn of clock.begun.splice(0)) turn.over();
    assertEquals(clock.turns.limit, 8);
  });
});

describe("connections through a relay", () => {
  it("are held up by no target that does not answer, however many of these there are", async () => {
    const key = SharedKey.create();
    const asked: string[] = [];
    const relay = new RelayServer({
      hear: (stream) => hearProxy(stream, key),
      dial: ({ host }) => {
        asked.push(host);
        return host === "dead" ? new Promise(() => {}) : Promise.resolve(pipe()[0]);
      },
      most: 1000,
      handshakeTimeout: 10_000,
      after: () => () => {},
    });
    const client = new RelayClient<PipeEnd>(key, { answer: 10_000, after: () => () => {} });
    const dial = (): Promise<PipeEnd> => {
      const [near, far] = pipe();
      void relay.serve(far, "192.0.2.1");
      return Promise.resolve(near);
    };
    for (let i = 0; i < 200; i++) void client.open({ host: "dead", port: 1 }, dial);
    await client.open({ host: "alive", port: 1 }, dial);
    assertEquals([asked.length, asked.at(-1)], [201, "alive"]);
  });
});
