/** Header prediction: a segment that says what the one before has said has the same effect, byte for byte, as if all of it had been looked at. */

import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createHash } from "node:crypto";
import { Rig, type RigOptions } from "../../../bench/rig.ts";
import { followNothing } from "../../../core/connection/settle.ts";
import { Stack } from "../../../core/host/stack.ts";
import { corrupt } from "../../../core/link/sim/elements/corrupt.ts";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import { duplicate } from "../../../core/link/sim/elements/duplicate.ts";
import { jitter } from "../../../core/link/sim/elements/jitter.ts";
import { loss } from "../../../core/link/sim/elements/loss.ts";
import { mark } from "../../../core/link/sim/elements/mark.ts";
import { reorder } from "../../../core/link/sim/elements/reorder.ts";
import { Subflow } from "../../../core/subflow/subflow.ts";
import { fullMesh, nDiffPorts } from "../../../pm/mod.ts";
import * as fc from "../../support/property.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { pattern } from "../../support/streams.ts";

/** What the two ends do. */
interface Step {
  /** Bytes that the server and the client write. */
  readonly server: number;
  readonly client: number;
  /** Whether the client reads, from now on. */
  readonly reads: boolean;
  /** Milliseconds until the next. */
  readonly pause: number;
}

const SOURCE = pattern(1 << 18, 3);
/** Much at once. */
const BULK: Step = { server: SOURCE.length, client: 0, reads: true, pause: 50 };

/** What came of it. */
interface Outcome {
  /** All packets, where they are watched, and all that was counted. */
  readonly all: string;
  /** All bytes that were read. */
  readonly read: string;
  /** Segments taken by prediction. */
  readonly followed: number;
}

/** Carries out the steps; `watched`: packets are looked at on their way, so that their payload is copied there. */
function run(options: RigOptions, steps: readonly Step[], watched = true): Outcome {
  const { follows } = Subflow.prototype;
  let followed = 0;
  Subflow.prototype.follows = function (): boolean {
    const takes = follows.call(this);
    if (takes) followed++;
    return takes;
  };
  try {
    const hash = createHash("sha256");
    const came = { server: createHash("sha256"), client: createHash("sha256") };
    let packets = 0;
    using rig = new Rig({
      ...options,
      ...(watched && {
        trace: ({ event, at, bytes, link, from }) => {
          packets++;
          hash.update(`${event} ${at} ${link} ${from}`).update(bytes);
        },
      }),
    });
    let reads = true;
    let over = false;
    const target = new Uint8Array(1 << 16);
    const ends = { server: 0, client: 0 };
    const read = (end: "server" | "client"): void => {
      const socket = end === "server" ? rig.sender : rig.receiver;
      for (let count = 1; count > 0;) {
        count = socket.read(rig.now, target);
        ends[end] += count;
        came[end].update(target.subarray(0, count));
      }
    };
    rig.connect({
      onReadable: () => reads && !over && read("client"),
      onServerReadable: () => over || read("server"),
    });
    for (const step of steps) {
      if (step.server > 0) rig.sender.write(rig.now, SOURCE.subarray(0, step.server), 0);
      if (step.client > 0) rig.receiver.write(rig.now, SOURCE.subarray(0, step.client), 0);
      if (step.reads && !reads) read("client");
      reads = step.reads;
      rig.runTo(rig.now + step.pause * 1e3);
    }
    reads = true;
    read("client");
    rig.sender.finish(rig.now);
    rig.receiver.close(rig.now);
    rig.runTo(rig.now + 20e6);
    const counts = ["OFOQueue", "TCPOFOQueue", "DSSNotMatching", "PAWSEstab", "DuplicateData"]
      .map((name) => `${name} ${rig.senderCount(name)} ${rig.receiverCount(name)}`);
    // What is left in it is told of its end, too.
    over = true;
    return {
      all: `${hash.digest("hex")} ${packets} ${counts.join()}`,
      read: `${ends.server} ${came.server.digest("hex")} ${ends.client} ${
        came.client.digest("hex")
      }`,
      followed,
    };
  } finally {
    Subflow.prototype.follows = follows;
  }
}

/** The same without prediction. */
function runWhole(options: RigOptions, steps: readonly Step[]): Outcome {
  const { handlePacket } = Stack.prototype;
  Stack.prototype.handlePacket = function (...args): void {
    followNothing();
    handlePacket.apply(this, args);
  };
  try {
    return run(options, steps);
  } finally {
    Stack.prototype.handlePacket = handlePacket;
  }
}

const both = [delay("3 ms")];
const PATHS: Readonly<Record<string, RigOptions["paths"]>> = {
  "nothing in between": { link: [] },
  "a delay": { link: both },
  "losses": { link: [loss(0.02), ...both] },
  "what comes twice": { link: [duplicate(0.05), ...both] },
  "another order": { link: [reorder(0.05, "1 ms"), ...both] },
  "jitter": { link: [jitter("2 ms"), ...both] },
  "damage": { link: [corrupt(0.02), ...both] },
  "marks": { link: [mark(0.05), ...both] },
  "two paths": { near: [delay("1 ms")], far: [delay("10 ms"), loss(0.01)] },
};

const KINDS: Readonly<Record<string, Partial<RigOptions>>> = {
  "TCP": { mptcp: false },
  "MPTCP": { policies: { pathManager: fullMesh() } },
  "two subflows on each path": { policies: { pathManager: nDiffPorts({ subflows: 2 }) } },
};

describe("segments that follow each other", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    server: fc.oneof(fc.constant(0), fc.nat(3000), fc.nat(SOURCE.length)),
    client: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(3000), fc.nat(SOURCE.length)),
    reads: fc.nat(3).map((draw) => draw > 0),
    pause: fc.constantFrom(0, 1, 7, 50),
  });
  for (const [path, paths] of Object.entries(PATHS)) {
    for (const [kind, more] of Object.entries(KINDS)) {
      it(`have the effect that each has alone: ${kind}, ${path}`, () => {
        let total = 0;
        fc.assert(
          fc.property(
            fc.array(step, { minLength: 1, maxLength: 8 }),
            fc.nat(1000),
            (steps, seed) => {
              const options = { paths, seed, ...more };
              const all = [BULK, ...steps];
              const { followed, ...outcome } = run(options, all);
              total += followed;
              assertEquals(runWhole(options, all), { ...outcome, followed: 0 });
              // The same bytes where payload stays on its page.
              assertEquals(run(options, all, false).read, outcome.read);
            },
          ),
          { numRuns: 4 },
        );
        if (path === "nothing in between" || path === "a delay") assertGreater(total, 300);
      });
    }
  }
});

describe("a segment that says what the one before has said", () => {
  it("is looked at where it reaches beyond the window", () => {
    using d = new Dialogue({ verified: true, experiments: { receiveBuffer: 20_000 } });
    const { first: peer, app } = joined(d);
    d.sent.length = 0;
    for (let at = 1; at < 24_000; at += 1000) {
      peer.sendsMore(`. ${at}:${at + 1000} ack 1 <dack8 1, map8 1 1 24000>`);
    }
    d.stack.flush(d.now);
    d.pass(50e3);
    while (d.sent.length > 1) peer.take();
    peer.gets(". 1 ack 20001 win 0 <dack8 20001>");
    assertEquals(app.read(), 20_000);
  });

  it("is told from one that acknowledges more", () => {
    using d = new Dialogue({ verified: true });
    const { first: peer, app } = joined(d);
    app.write(1000);
    peer.takeAll();
    const { board } = app.socket.subflows[0]!.sender;
    for (const [at, ack] of [[1, 1], [101, 1], [201, 1], [301, 1001]] as const) {
      peer.sendsMore(`. ${at}:${at + 100} ack ${ack} <dack8 1, map8 1 1 400>`);
      assertEquals(board.una, ack);
    }
  });

  it("counts where it acknowledges less than is known", () => {
    using d = new Dialogue({ verified: true });
    const { first: peer, app } = joined(d);
    app.write(1000);
    peer.takeAll();
    // A proxy, in the name of a peer that has got nothing.
    peer.sends(". 1:101 ack 1001 <map8 1 1 100>");
    d.pass(10e6);
    for (let at = 101; at < 3000; at += 1000) {
      peer.sendsMore(`. ${at}:${at + 1000} ack 1 <noTS, dack8 1, map8 101 101 3000>`);
    }
    assertEquals(app.socket.subflows[0]!.trust.belied, true);
  });

  it("is told to who has begun to watch", () => {
    using d = new Dialogue({ verified: true });
    const { first: peer } = joined(d);
    peer.sends(". 1:101 ack 1 <dack8 1, map8 1 1 100>");
    d.pass(50e3);
    peer.gets(". 1 ack 101 <dack8 101>");
    // So few that their acknowledgement may wait.
    const lines = [101, 201, 301].map((at) =>
      `. ${at}:${at + 100} ack 1 <dack8 1, map8 101 101 300>`
    );
    peer.sendsMore(lines[0]!);
    peer.sends(lines[1]!);
    let told = 0;
    d.stack.watch({ segmentReceived: () => void told++ });
    peer.sends(lines[2]!);
    assertEquals(told, 1);
  });
});
