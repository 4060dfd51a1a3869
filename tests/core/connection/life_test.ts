import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  ALIVE,
  dataState,
  type Life,
  OPEN_END,
  OPENING,
  type OurEnd,
  type PeerEnd,
} from "../../../core/connection/life.ts";

const LIVES: readonly (readonly [string, Life])[] = [
  ["opening", OPENING],
  ["alive", ALIVE],
  ["over in order", { kind: "over", code: null, reason: null }],
  ["gone in order", { kind: "gone", code: null, reason: null }],
  ["over by error", { kind: "over", code: "ConnectionReset", reason: null }],
  ["gone by error", { kind: "gone", code: "TimedOut", reason: null }],
];

/** Our direction; "second": the peer had finished before. */
const OURS: readonly (readonly [string, OurEnd])[] = [
  ["open", OPEN_END],
  ["ending", { kind: "ending", fin: 1, second: false }],
  ["ending second", { kind: "ending", fin: 1, second: true }],
  ["acked", { kind: "acked", fin: 1, second: false }],
  ["acked second", { kind: "acked", fin: 1, second: true }],
];

const THEIRS: readonly PeerEnd[] = [
  OPEN_END,
  { kind: "announced", fin: 1 },
  { kind: "reached", fin: 1 },
];

/**
 * RFC 8684 appendix D, without the M_ of its names. A DATA_FIN that is known counts when everything before it is there. The figure leads who ended
 * second from LAST_ACK to CLOSED; here an end in order is TIME_WAIT for both.
 */
const APPENDIX_D = `
life           ours           theirs open  announced   reached
opening        open           SYN          SYN         SYN
opening        ending         SYN          SYN         SYN
opening        ending second  SYN          SYN         SYN
opening        acked          SYN          SYN         SYN
opening        acked second   SYN          SYN         SYN
alive          open           ESTAB        ESTAB       CLOSE_WAIT
alive          ending         FIN_WAIT_1   FIN_WAIT_1  CLOSING
alive          ending second  FIN_WAIT_1   FIN_WAIT_1  LAST_ACK
alive          acked          FIN_WAIT_2   FIN_WAIT_2  TIME_WAIT
alive          acked second   FIN_WAIT_2   FIN_WAIT_2  TIME_WAIT
over in order  open           CLOSED       CLOSED      CLOSED
over in order  ending         CLOSED       CLOSED      CLOSED
over in order  ending second  CLOSED       CLOSED      CLOSED
over in order  acked          CLOSED       CLOSED      TIME_WAIT
over in order  acked second   CLOSED       CLOSED      TIME_WAIT
gone in order  open           CLOSED       CLOSED      CLOSED
gone in order  ending         CLOSED       CLOSED      CLOSED
gone in order  ending second  CLOSED       CLOSED      CLOSED
gone in order  acked          CLOSED       CLOSED      TIME_WAIT
gone in order  acked second   CLOSED       CLOSED      TIME_WAIT
over by error  open           CLOSED       CLOSED      CLOSED
over by error  ending         CLOSED       CLOSED      CLOSED
over by error  ending second  CLOSED       CLOSED      CLOSED
over by error  acked          CLOSED       CLOSED      CLOSED
over by error  acked second   CLOSED       CLOSED      CLOSED
gone by error  open           CLOSED       CLOSED      CLOSED
gone by error  ending         CLOSED       CLOSED      CLOSED
gone by error  ending second  CLOSED       CLOSED      CLOSED
gone by error  acked          CLOSED       CLOSED      CLOSED
gone by error  acked second   CLOSED       CLOSED      CLOSED
`;

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padEnd([15, 15, 13, 12, 0][i]!)).join("").trimEnd();
}

describe("the state of the data level (RFC 8684 appendix D)", () => {
  // Draft TRM-6.
  it("follows from the connection's life and the ends of both directions, in every case", () => {
    const rows = LIVES.flatMap(([life, lives]) =>
      OURS.map(([ours, end]) =>
        line([life, ours, ...THEIRS.map((theirs) => dataState(lives, end, theirs))])
      )
    );
    const head = line(["life", "ours", "theirs open", "announced", "reached"]);
    assertEquals(["", head, ...rows, ""].join("\n"), APPENDIX_D);
  });
});
