import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import * as states from "../../../core/subflow/state.ts";
import { type TcpEvent, TcpState } from "../../../core/subflow/state.ts";

/** The states in the order of their numbers. */
const NAMES = [
  "CLOSED",
  "SYN_SENT",
  "SYN_RECEIVED",
  "ESTABLISHED",
  "FIN_WAIT_1",
  "FIN_WAIT_2",
  "CLOSE_WAIT",
  "CLOSING",
  "LAST_ACK",
  "TIME_WAIT",
] as const;

/** Events that lead from CLOSED to each state. */
const WAYS: Readonly<Record<typeof NAMES[number], readonly TcpEvent[]>> = {
  CLOSED: [],
  SYN_SENT: ["open"],
  SYN_RECEIVED: ["syn"],
  ESTABLISHED: ["syn", "established"],
  FIN_WAIT_1: ["syn", "established", "finSent"],
  FIN_WAIT_2: ["syn", "established", "finSent", "finAcked"],
  CLOSE_WAIT: ["syn", "established", "fin"],
  CLOSING: ["syn", "established", "finSent", "fin"],
  LAST_ACK: ["syn", "established", "fin", "finSent"],
  TIME_WAIT: ["syn", "established", "finSent", "finAcked", "fin"],
};

/**
 * RFC 9293 §3.3.2, Figure 5: the state after each event; a dot where the figure has no arrow. The passive open goes through the listener's LISTEN.
 * A FIN with the ACK of ours, which leads from FIN-WAIT-1 to TIME-WAIT in one arrow, is `finAcked` before `fin`.
 */
const FIGURE_5 = `
              open      syn           established  finSent     finAcked    fin         end
CLOSED        SYN_SENT  SYN_RECEIVED  .            .           .           .           CLOSED
SYN_SENT      .         SYN_RECEIVED  ESTABLISHED  .           .           .           CLOSED
SYN_RECEIVED  .         .             ESTABLISHED  .           .           .           CLOSED
ESTABLISHED   .         .             .            FIN_WAIT_1  .           CLOSE_WAIT  CLOSED
FIN_WAIT_1    .         .             .            .           FIN_WAIT_2  CLOSING     CLOSED
FIN_WAIT_2    .         .             .            .           .           TIME_WAIT   CLOSED
CLOSE_WAIT    .         .             .            LAST_ACK    .           .           CLOSED
CLOSING       .         .             .            .           TIME_WAIT   .           CLOSED
LAST_ACK      .         .             .            .           CLOSED      .           CLOSED
TIME_WAIT     .         .             .            .           .           .           CLOSED
`;

const EVENTS: readonly TcpEvent[] = [
  "open",
  "syn",
  "established",
  "finSent",
  "finAcked",
  "fin",
  "end",
];

/** A connection in a state. */
function inState(name: typeof NAMES[number]): TcpState {
  let state: TcpState = TcpState.closed;
  for (const event of WAYS[name]) {
    const next = state.on(event);
    assert(next !== null, `${name}: ${event}`);
    state = next;
  }
  return state;
}

/** What the class does, in the form of the table. */
function table(): string {
  const widths = [14, 10, 14, 13, 12, 12, 12, 0];
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => cell.padEnd(widths[i]!)).join("").trimEnd();
  const rows = NAMES.map((name) => {
    const cells = EVENTS.map((event) => {
      const state = inState(name);
      const next = state.on(event);
      assertEquals(NAMES[state.number], name, "the one that others share has changed");
      return next === null ? "." : NAMES[next.number]!;
    });
    return line([name, ...cells]);
  });
  return ["", line(["", ...EVENTS]), ...rows, ""].join("\n");
}

describe("the states of a TCP connection (RFC 9293 §3.3.2)", () => {
  it("have the numbers of their names", () => {
    assertEquals(NAMES.map((name) => states[name]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("begin with CLOSED, and each can be reached", () => {
    assertEquals(NAMES.map((name) => NAMES[inState(name).number]), [...NAMES]);
  });

  it("follow one another as Figure 5 says, for every event in every state", () => {
    assertEquals(table(), FIGURE_5);
  });

  const where = (
    what: Exclude<keyof TcpState, "on" | "number">,
    ...expected: readonly typeof NAMES[number][]
  ): void => {
    it(`${what} is true in ${expected.join(", ")} alone`, () => {
      assertEquals(NAMES.filter((name) => inState(name)[what]), [...expected]);
    });
  };
  where("closed", "CLOSED");
  where("synSent", "SYN_SENT");
  where("synReceived", "SYN_RECEIVED");
  where("opening", "SYN_SENT", "SYN_RECEIVED");
  where("established", "ESTABLISHED");
  where("maySend", "ESTABLISHED", "CLOSE_WAIT");
  where("peerFinished", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT");
  where("finUnacked", "FIN_WAIT_1", "CLOSING", "LAST_ACK");
  where("finWait2", "FIN_WAIT_2");
  where("timeWait", "TIME_WAIT");
});
