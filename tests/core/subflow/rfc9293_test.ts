/** RFC 9293 figure by figure and state by state: each arrow of Figure 5, the dialogues of §3.5 and §3.6, and what §3.10.7 says of every state. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from "../../../core/subflow/state.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

type Role = "client" | "server";
const ROLES = ["client", "server"] as const;
const NAMES: Readonly<Record<number, string>> = {
  [SYN_RECEIVED]: "SYN-RECEIVED",
  [ESTABLISHED]: "ESTABLISHED",
  [FIN_WAIT_1]: "FIN-WAIT-1",
  [FIN_WAIT_2]: "FIN-WAIT-2",
  [CLOSE_WAIT]: "CLOSE-WAIT",
  [CLOSING]: "CLOSING",
  [LAST_ACK]: "LAST-ACK",
  [TIME_WAIT]: "TIME-WAIT",
};

interface Reached {
  readonly peer: Peer;
  readonly app: App;
  readonly subflow: Subflow;
  /** Its next number, and the peer's. */
  readonly nxt: number;
  readonly theirs: number;
}

/** Brings a connection of plain TCP to `state` by the shortest way of Figure 5. */
function reach(d: Dialogue, role: Role, state: number): Reached {
  const { peer, app } = role === "server"
    ? d.opened({ mptcp: false })
    : d.dialled({ mptcp: false });
  const subflow = app.socket.subflows[0]!;
  assertEquals(subflow.state, ESTABLISHED);
  const finish = (ack: number): void => {
    app.finish();
    peer.gets(`F. 1 ack ${ack}`);
  };
  switch (state) {
    case FIN_WAIT_1:
      finish(1);
      break;
    case FIN_WAIT_2:
      finish(1);
      peer.sends(". 1 ack 2");
      break;
    case CLOSING:
      finish(1);
      peer.sends("F. 1 ack 1");
      peer.gets(". 2 ack 2");
      break;
    case TIME_WAIT:
      finish(1);
      peer.sends(". 1 ack 2");
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      break;
    case CLOSE_WAIT:
      peer.sends("F. 1 ack 1");
      peer.gets(". 1 ack 2");
      break;
    case LAST_ACK:
      peer.sends("F. 1 ack 1");
      peer.gets(". 1 ack 2");
      finish(2);
      break;
  }
  d.silent();
  assertEquals(subflow.state, state);
  const finished = [CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT].includes(state);
  return {
    peer,
    app,
    subflow,
    nxt: [ESTABLISHED, CLOSE_WAIT].includes(state) ? 1 : 2,
    theirs: finished ? 2 : 1,
  };
}

/** A client whose SYN is out. */
function calling(d: Dialogue): { app: App; peer: Peer; subflow: Subflow } {
  const app = d.connect();
  const peer = d.called();
  peer.gets("S 0");
  const subflow = app.socket.attempts[0]!;
  assertEquals(subflow.state, SYN_SENT);
  return { app, peer, subflow };
}

const PLAIN: DialogueOptions = { experiments: { mptcp: false } };
const PLAIN_SYN = "<mss 1460, sackOK, ws 7>";

describe("RFC 9293 §3.5, Figure 6: basic three-way handshake", () => {
  it("as TCP peer A: SYN, SYN/ACK, ACK, data", () => {
    using d = new Dialogue(PLAIN);
    const { app, peer, subflow } = calling(d);
    peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 1");
    assertEquals(subflow.state, ESTABLISHED);
    app.write(5);
    peer.gets("P. 1:6 ack 1");
    peer.sends(". 1 ack 6");
    d.silent();
  });

  it("as TCP peer B: the ACK is not sent again, data with the same number as the ACK are taken", () => {
    using d = new Dialogue(PLAIN);
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    const [half] = listener.halfOpen;
    assertEquals(half!.attempts[0]!.state, SYN_RECEIVED);
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    assertEquals(app.socket.subflows[0]!.state, ESTABLISHED);
    d.silent();
    peer.sends("P. 1:6 ack 1");
    d.pass(50e3);
    peer.gets(". 1 ack 6");
    assertEquals(app.read(), 5);
  });

  it("as TCP peer B, where the third ACK is lost: data tell as much", () => {
    using d = new Dialogue(PLAIN);
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    peer.sends("P. 1:6 ack 1");
    const app = d.accept(listener);
    assertEquals(app.read(), 5);
    d.pass(50e3);
    peer.gets(". 1 ack 6");
  });

  it("as TCP peer A, where the SYN/ACK is lost twice", () => {
    using d = new Dialogue(PLAIN);
    const { peer, subflow } = calling(d);
    assertEquals(d.untilSent(), 1e6);
    peer.gets("S 0");
    assertEquals(d.untilSent(), 2e6);
    peer.gets("S 0");
    peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 1");
    assertEquals(subflow.state, ESTABLISHED);
  });
});

for (const mptcp of [true, false]) {
  const options = mptcp ? {} : PLAIN;
  const kind = mptcp ? "MPTCP offered" : "plain TCP";

  describe(`RFC 9293 §3.5, Figure 7: simultaneous open (${kind})`, () => {
    /** Lines 2 to 5. */
    const crossed = (d: Dialogue): { app: App; peer: Peer; subflow: Subflow } => {
      const all = calling(d);
      all.peer.sends(`S 0 ${PLAIN_SYN}`);
      // Of MPTCP nothing is left.
      all.peer.gets("S. 0 ack 1 <!mpc>");
      assertEquals(all.subflow.state, SYN_RECEIVED);
      return all;
    };

    it("line by line: the SYN/ACK that crosses ours ends it", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = crossed(d);
      peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
      assertEquals([subflow.state, app.log], [ESTABLISHED, ["established"]]);
      // For a peer that takes no SYN/ACK in SYN-RECEIVED.
      peer.gets(". 1 ack 1 <!mpc>");
      app.write(10);
      peer.gets("P. 1:11 ack 1 <!map>");
      peer.sends("P. 1:6 ack 11");
      assertEquals(app.read(), 5);
    });

    it("with a peer that answers our SYN/ACK by an ACK", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = crossed(d);
      peer.sends(". 1 ack 1");
      assertEquals([subflow.state, app.log], [ESTABLISHED, ["established"]]);
      app.write(10);
      peer.gets("P. 1:11 ack 1 <!map>");
    });

    it("where both SYN/ACKs are lost: ours goes again", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = crossed(d);
      d.untilSent();
      peer.gets("S. 0 ack 1 <!mpc>");
      peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
      peer.gets(". 1 ack 1");
      assertEquals([subflow.state, app.log], [ESTABLISHED, ["established"]]);
    });

    it("where the peer's SYN comes twice: it is answered, and it may end by an ACK", () => {
      using d = new Dialogue(options);
      const { peer, subflow } = crossed(d);
      peer.sends(`S 0 ${PLAIN_SYN}`);
      peer.gets("S. 0 ack 1");
      peer.sends(". 1 ack 1");
      assertEquals(subflow.state, ESTABLISHED);
      d.silent();
    });

    it("a SYN/ACK of something else ends nothing: it is answered by an ACK", () => {
      using d = new Dialogue(options);
      const { peer, subflow } = crossed(d);
      peer.sends(`S. 0 ack 7 ${PLAIN_SYN}`);
      peer.gets(". 1 ack 1");
      peer.sends(`S. 9 ack 1 ${PLAIN_SYN}`);
      peer.gets(". 1 ack 1");
      assertEquals(subflow.state, SYN_RECEIVED);
      peer.sends(". 1 ack 1");
      assertEquals(subflow.state, ESTABLISHED);
    });

    it("a RST in SYN-RECEIVED refuses it (§3.10.7.4, second)", () => {
      using d = new Dialogue(options);
      const { app, peer } = crossed(d);
      peer.sends("R 5");
      peer.gets(". 1 ack 1");
      assertEquals(app.code, undefined);
      peer.sends("R 1");
      assertEquals(app.code, "ConnectionRefused");
      d.silent();
    });

    it("an end that is wanted before it is over follows at once: SYN-RECEIVED, ESTABLISHED, FIN-WAIT-1 (§3.10.4)", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = crossed(d);
      app.finish();
      d.silent();
      peer.sends(". 1 ack 1");
      peer.gets("F. 1 ack 1");
      assertEquals(subflow.state, FIN_WAIT_1);
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      assertEquals(subflow.state, TIME_WAIT);
    });
  });

  describe(`RFC 9293 §3.5, Figure 8: recovery from an old duplicate SYN (${kind})`, () => {
    it("as TCP peer B: the RST takes it back to LISTEN, and the real SYN opens", () => {
      using d = new Dialogue(options);
      const listener = d.listen();
      const old = d.peer();
      old.sends(`S 90 ${PLAIN_SYN}`);
      old.gets("S. 0 ack 91");
      // <SEQ=91><CTL=RST>
      old.sends("R 91");
      assertEquals([listener.halfOpen.size, d.usage.flows], [0, 0]);
      old.sends(`S 100 ${PLAIN_SYN}`);
      old.gets("S. 0 ack 101");
      old.sends(". 101 ack 1");
      const app = d.accept(listener);
      assertEquals(app.socket.subflows[0]!.state, ESTABLISHED);
    });

    it("as TCP peer A: the SYN/ACK for an old SYN gets a RST with its ACK, and the attempt goes on", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = calling(d);
      peer.sends("S. 0 ack 91");
      peer.gets("R 91");
      assertEquals(subflow.state, SYN_SENT);
      peer.sends(`S. 400 ack 1 ${PLAIN_SYN}`);
      peer.gets(". 1 ack 401");
      assertEquals(app.log, ["established"]);
    });
  });

  describe(`RFC 9293 §3.5.1, Figure 9: half-open connection discovery (${kind})`, () => {
    for (const role of ROLES) {
      it(`as TCP peer B, once ${role}: the SYN of a peer that crashed is answered by an ACK, its RST ends the old connection`, () => {
        using d = new Dialogue(options);
        const { peer, app } = role === "server" ? d.opened({ mptcp }) : d.dialled({ mptcp });
        app.write(10);
        peer.gets("P. 1:11");
        peer.sends(`. 1 ack 11${mptcp ? " <dack8 11>" : ""}`);
        peer.sends(`S 5000 ack 0 ${PLAIN_SYN}`.replace(" ack 0", ""));
        peer.gets(". 11 ack 1");
        assertEquals(app.code, undefined);
        peer.sends("R 1");
        assertEquals(app.socket.subflows.length, 0);
        if (mptcp) d.pass(61e6);
        assertEquals(app.code, "ConnectionReset");
        peer.lose();
        // Line 7: the SYN comes again.
        peer.sends(`S 5000 ${PLAIN_SYN}`);
        if (role === "server") peer.gets("S. 0 ack 5001");
        else peer.gets("R. 256 ack 5001") /* 0 on the wire */;
      });
    }

    it("as TCP peer A, which crashed: the ACK of the old connection gets a RST, and the next SYN opens", () => {
      using d = new Dialogue(options);
      const { app, peer, subflow } = calling(d);
      peer.sends(". 300 ack 100");
      peer.gets("R 100");
      assertEquals(subflow.state, SYN_SENT);
      assertEquals(d.untilSent(), 1e6);
      peer.gets("S 0");
      peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
      peer.gets(". 1 ack 1");
      assertEquals(app.log, ["established"]);
    });
  });

  describe(`RFC 9293 §3.5.1, Figure 10: active side causes half-open connection discovery (${kind})`, () => {
    it("as TCP peer A, which knows of nothing: data get a RST", () => {
      using d = new Dialogue(options);
      const peer = d.peer();
      peer.sends("P. 300:310 ack 100");
      peer.gets("R 100");
      peer.sends("F. 310 ack 100");
      peer.gets("R 100");
      peer.sends("R 310");
      d.silent();
    });

    for (const role of ROLES) {
      it(`as TCP peer B, ${role}: a RST that our data bring ends it`, () => {
        using d = new Dialogue(options);
        const { peer, app } = role === "server" ? d.opened({ mptcp }) : d.dialled({ mptcp });
        app.write(10);
        peer.gets("P. 1:11");
        peer.sends("R 1");
        if (mptcp) d.pass(61e6);
        assertEquals(app.code, "ConnectionReset");
      });
    }
  });

  describe(`RFC 9293 §3.5.1, Figure 11: an old duplicate SYN initiates a reset on two passive sockets (${kind})`, () => {
    it("as TCP peer B: SYN/ACK, RST, back to LISTEN", () => {
      using d = new Dialogue(options);
      const listener = d.listen();
      const peer = d.peer();
      peer.sends(`S 0 ${PLAIN_SYN}`);
      peer.gets("S. 0 ack 1");
      peer.sends("R 1");
      assertEquals([listener.halfOpen.size, listener.accept()], [0, null]);
      d.pass(100e6);
      d.silent();
    });

    it("as TCP peer A, in LISTEN: a SYN/ACK gets a RST with its ACK (§3.10.7.2, second)", () => {
      using d = new Dialogue(options);
      const listener = d.listen();
      const peer = d.peer();
      peer.sends("S. 0 ack 91");
      peer.gets("R 91");
      peer.sends("R 1");
      d.silent();
      assertEquals(listener.halfOpen.size, 0);
    });
  });
}

describe("RFC 9293 §3.10.7.1: CLOSED", () => {
  it("answers what has no ACK by a RST that acknowledges all of it, FIN and SYN counted", () => {
    using d = new Dialogue();
    const peer = d.peer();
    for (
      const [line, ack] of [["S 7", 8], ["F 7", 8], ["FS 7", 9], ["P 7:17", 17], [
        "FP 7:17",
        18,
      ]] as const
    ) {
      peer.sends(line);
      peer.gets(`R. 0 ack ${ack}`);
    }
    peer.sends("R 7");
    peer.sends("R. 7 ack 7");
    d.silent();
  });
});

describe("RFC 9293 §3.10.7.2: LISTEN", () => {
  it("ignores a RST, refuses an ACK, drops what is neither, and then takes a SYN", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends("R 7");
    peer.sends("R. 7 ack 7");
    d.silent();
    peer.sends(". 7 ack 77");
    peer.gets("R 77");
    peer.sends("P. 7:17 ack 77");
    peer.gets("R 77");
    peer.sends("F 7");
    peer.sends("P 7:17");
    peer.sends("FUP 7:17");
    d.silent();
    assertEquals(d.counter("TcpInErrs"), 3);
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    assertEquals(listener.halfOpen.size, 1);
  });

  it("drops a SYN with a FIN: no program opens in order to close", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`FS 0 ${PLAIN_SYN}`);
    d.silent();
    assertEquals([listener.halfOpen.size, d.counter("TcpInErrs")], [0, 1]);
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1");
    assertEquals(d.accept(listener).socket.subflows[0]!.state, ESTABLISHED);
  });

  it("leaves out data on a SYN, which come again", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`S 0:10 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    peer.sends("P. 1:11 ack 1");
    assertEquals(app.read(), 10);
  });

  it("is left by close(): what comes then is refused (Figure 5: LISTEN to CLOSED)", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    listener.close(d.now);
    d.stack.flush(d.now);
    peer.gets("R. 1 ack 1");
    peer.sends(". 1 ack 1");
    peer.gets("R 1");
    const other = d.peer();
    other.sends(`S 0 ${PLAIN_SYN}`);
    other.gets("R. 0 ack 1");
  });
});

describe("RFC 9293 §3.10.7.3: SYN-SENT", () => {
  it("in the order of the text: a bad ACK, a RST with and without an ACK, neither SYN nor RST", () => {
    using d = new Dialogue();
    const { app, peer, subflow } = calling(d);
    for (const ack of [0, 2, 1000]) {
      peer.sends(`. 5 ack ${ack}`);
      peer.gets(`R ${ack}`);
      peer.sends(`S. 5 ack ${ack}`);
      peer.gets(`R ${ack}`);
      peer.sends(`R. 5 ack ${ack}`);
      d.silent();
    }
    peer.sends("R 0");
    peer.sends(". 5 ack 1");
    peer.sends("P. 5:15 ack 1");
    peer.sends("F. 5 ack 1");
    peer.sends("F 5");
    peer.sends("P 5:15");
    d.silent();
    assertEquals(subflow.state, SYN_SENT);
    peer.sends("R. 0 ack 1");
    assertEquals(app.code, "ConnectionRefused");
  });

  it("drops a SYN with a FIN and without an ACK; one that acknowledges our SYN opens, and its FIN comes again", () => {
    using d = new Dialogue(PLAIN);
    const { app, peer, subflow } = calling(d);
    peer.sends(`FS 0 ${PLAIN_SYN}`);
    d.silent();
    assertEquals(subflow.state, SYN_SENT);
    peer.sends(`FS. 0 ack 1 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 1");
    assertEquals(subflow.state, ESTABLISHED);
    peer.sends("F. 1 ack 1");
    peer.gets(". 1 ack 2");
    assertEquals(app.socket.atEnd, true);
  });

  it("is left by close() without a word, and a SYN/ACK that comes then is refused (Figure 5: SYN-SENT to CLOSED)", () => {
    using d = new Dialogue();
    const { app, peer } = calling(d);
    app.close();
    d.silent();
    peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
    peer.gets("R 1");
    d.pass(300e6);
    d.silent();
    assertEquals(d.usage.flows, 0);
  });

  it("an end that is wanted before the answer follows it: SYN-SENT, ESTABLISHED, FIN-WAIT-1, with what was written (§3.10.4)", () => {
    using d = new Dialogue(PLAIN);
    const { app, peer, subflow } = calling(d);
    app.write(10);
    app.finish();
    d.silent();
    peer.sends(`S. 0 ack 1 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:11 ack 1");
    peer.gets("F. 11 ack 1");
    assertEquals(subflow.state, FIN_WAIT_1);
    peer.sends("F. 1 ack 12");
    peer.gets(". 12 ack 2");
    assertEquals(subflow.state, TIME_WAIT);
  });
});

describe("RFC 9293 §3.10.7.4: SYN-RECEIVED", () => {
  /** A listener that has answered a SYN. */
  const half = (d: Dialogue) => {
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
    return { listener, peer };
  };

  it("first: what lies outside the window is answered by an ACK, its ACK opens nothing", () => {
    using d = new Dialogue();
    const { listener, peer } = half(d);
    for (const seq of [70000, 20e6, -5]) {
      peer.sends(`. ${seq} ack 1`);
      peer.gets(". 1 ack 1");
    }
    assertEquals(listener.accept(), null);
    peer.sends(". 1 ack 1");
    assert(listener.accept() !== null);
  });

  it("first: its window is that of the SYN/ACK, which has no scale (RFC 7323 §2.2); data beyond it are not taken", () => {
    using d = new Dialogue(PLAIN);
    const { listener, peer } = half(d);
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    peer.sends("P. 65000:66000 ack 1");
    const { options, win } = peer.gets(". 1 ack 1");
    assertEquals(options.find((each) => each.startsWith("sack")), "sack 65000:65536");
    // From now on it is what this ACK says.
    assert(win * 2 ** peer.theirScale > 1e5);
    peer.sends("P. 80000:81000 ack 1");
    assertEquals(
      peer.gets(". 1 ack 1").options.find((each) => each.startsWith("sack")),
      "sack 80000:81000 65000:65536",
    );
    assertEquals(app.code, undefined);
  });

  it("first: a segment that begins above the window of the SYN/ACK is not taken at all", () => {
    using d = new Dialogue(PLAIN);
    const { listener, peer } = half(d);
    peer.sends(". 1 ack 1");
    d.accept(listener);
    peer.sends("P. 70000:71000 ack 1");
    assertEquals(
      peer.gets(". 1 ack 1").options.filter((each) => each.startsWith("sack")),
      [],
    );
  });

  it("second: a RST with the exact number takes it back to LISTEN, one in the window is challenged, others are dropped", () => {
    using d = new Dialogue();
    const { listener, peer } = half(d);
    peer.sends("R 0");
    peer.sends("R 100000");
    d.silent();
    peer.sends("R 100");
    peer.gets(". 1 ack 1");
    assertEquals(listener.halfOpen.size, 1);
    peer.sends("R 1");
    assertEquals(listener.halfOpen.size, 0);
    peer.sends(`S 0 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 1");
  });

  it("fourth: another SYN is challenged; the peer's RST then makes way for its next", () => {
    using d = new Dialogue();
    const { listener, peer } = half(d);
    peer.sends(`S 5000 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 1");
    peer.sends("R 1");
    assertEquals(listener.halfOpen.size, 0);
    peer.sends(`S 5000 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 5001");
    peer.sends(". 5001 ack 1");
    assert(listener.accept() !== null);
  });

  it("fifth: no ACK is dropped, an ACK of something else gets a RST, and the handshake goes on", () => {
    using d = new Dialogue();
    const { listener, peer } = half(d);
    peer.sends("P 1:11");
    d.silent();
    for (const ack of [0, 2, 500]) {
      peer.sends(`. 1 ack ${ack}`);
      peer.gets(`R ${ack}`);
    }
    peer.sends(". 1 ack 1");
    assert(listener.accept() !== null);
  });

  it("eighth: a FIN on the third ACK: SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT, with its data", () => {
    using d = new Dialogue(PLAIN);
    const { listener, peer } = half(d);
    peer.sends("FP. 1:11 ack 1");
    peer.gets(". 1 ack 12");
    const app = d.accept(listener);
    assertEquals(app.socket.subflows[0]!.state, CLOSE_WAIT);
    assertEquals([app.read(), app.socket.atEnd], [10, true]);
  });

  it("a listener's 'synRetries': so often goes the SYN/ACK again, then it is forgotten (§3.8.3)", () => {
    using d = new Dialogue({ tcp: { synRetries: 2 } });
    const { listener, peer } = half(d);
    for (const wait of [1e6, 2e6]) {
      assertEquals(d.untilSent(), wait);
      peer.gets("S. 0 ack 1");
    }
    d.pass(4e6);
    assertEquals([listener.halfOpen.size, d.usage.flows], [0, 0]);
    d.silent();
  });
});

const SYNCHRONISED = [ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK] as const;

for (const role of ROLES) {
  describe(`RFC 9293 §3.10.7.4: synchronised states (${role})`, () => {
    for (const state of SYNCHRONISED) {
      it(`${NAMES[state]}, first: what is below the window, or above it, is answered by an ACK`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, subflow, nxt, theirs } = reach(d, role, state);
        for (const seq of [theirs - 10, theirs + 20e6]) {
          peer.sends(`. ${seq} ack ${nxt}`);
          peer.gets(`. ${nxt} ack ${theirs}`);
          peer.sends(`P. ${seq}:${seq + 5} ack ${nxt}`);
          peer.gets(`. ${nxt} ack ${theirs}`);
        }
        // An ACK of a FIN in an unacceptable segment acknowledges nothing.
        assertEquals(subflow.state, state);
      });

      it(`${NAMES[state]}, second: a RST with the exact number closes, one in the window is challenged, one outside is dropped`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, app, subflow, nxt, theirs } = reach(d, role, state);
        peer.sends(`R ${theirs - 1}`);
        peer.sends(`R ${theirs + 20e6}`);
        d.silent();
        assertEquals(subflow.state, state);
        peer.sends(`R ${theirs + 1}`);
        peer.gets(`. ${nxt} ack ${theirs}`);
        assertEquals(subflow.state, state);
        peer.sends(`R ${theirs}`);
        d.silent();
        assertEquals(subflow.state, CLOSED);
        app.close();
        assertEquals([d.usage.flows, d.usage.connections], [0, 0]);
      });

      it(`${NAMES[state]}, fourth: a SYN is challenged, wherever it lies`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, subflow, nxt, theirs } = reach(d, role, state);
        for (
          const line of [
            `S ${theirs}`,
            `S ${theirs + 100}`,
            "S 0",
            `S. ${theirs} ack ${nxt}`,
            `FS ${theirs}`,
          ]
        ) {
          peer.sends(line);
          peer.gets(`. ${nxt} ack ${theirs}`);
        }
        assertEquals(subflow.state, state);
      });

      it(`${NAMES[state]}, fifth: no ACK is dropped, an ACK of what was never sent is challenged`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, subflow, nxt, theirs } = reach(d, role, state);
        peer.sends(`P ${theirs}:${theirs + 5}`);
        peer.sends(`F ${theirs}`);
        d.silent();
        peer.sends(`P. ${theirs}:${theirs + 5} ack ${nxt + 1}`);
        peer.gets(`. ${nxt} ack ${theirs}`);
        peer.sends(`. ${theirs} ack ${nxt + 1000}`);
        peer.gets(`. ${nxt} ack ${theirs}`);
        assertEquals(subflow.state, state);
      });
    }

    for (const state of [ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2]) {
      // RFC 8684 §3.3.1: "if Urgent data is received on a subflow, it SHOULD be mapped to the data sequence space and delivered to the application"
      it(`${NAMES[state]}, sixth and seventh: data are taken, urgent ones in line, and acknowledged`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, app, nxt } = reach(d, role, state);
        const ack = state === FIN_WAIT_1 ? 1 : nxt;
        peer.sends(`P. 1:101 ack ${ack}`);
        assertEquals(app.read(), 100);
        peer.sends(`PU. 101:201 ack ${ack}`);
        d.pass(50e3);
        peer.gets(`. ${nxt} ack 201`);
        assertEquals(app.read(), 100);
        peer.sends(`U. 201 ack ${ack}`);
        d.silent();
      });

      it(`${NAMES[state]}, eighth: a FIN behind data that are missing waits for them`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, app, subflow, nxt } = reach(d, role, state);
        const ack = state === FIN_WAIT_1 ? 1 : nxt;
        peer.sends(`F. 11 ack ${ack}`);
        peer.gets(`. ${nxt} ack 1`);
        assertEquals(subflow.state, state);
        peer.sends(`P. 1:11 ack ${ack}`);
        peer.gets(`. ${nxt} ack 12`);
        assertEquals(app.read(), 10);
        const after = state === ESTABLISHED
          ? CLOSE_WAIT
          : state === FIN_WAIT_1
          ? CLOSING
          : TIME_WAIT;
        assertEquals(subflow.state, after);
      });
    }

    for (const state of [CLOSE_WAIT, CLOSING, LAST_ACK]) {
      it(`${NAMES[state]}, sixth to eighth: data behind the FIN and urgent data are ignored, the FIN is acknowledged again`, () => {
        using d = new Dialogue(PLAIN);
        const { peer, app, subflow, nxt } = reach(d, role, state);
        peer.sends(`PU. 2:12 ack 1`);
        peer.gets(`. ${nxt} ack 2`);
        peer.sends(`F. 1 ack 1`);
        peer.gets(`. ${nxt} ack 2`);
        peer.sends(`F. 12 ack 1`);
        peer.gets(`. ${nxt} ack 2`);
        assertEquals([subflow.state, app.read(), app.socket.atEnd], [state, 0, true]);
      });
    }

    it("CLOSE-WAIT: what is written is sent, then the FIN: LAST-ACK, CLOSED (Figure 5)", () => {
      using d = new Dialogue(PLAIN);
      const { peer, app, subflow } = reach(d, role, CLOSE_WAIT);
      app.write(100);
      peer.gets("P. 1:101 ack 2");
      peer.sends(". 2 ack 101");
      app.finish();
      peer.gets("F. 101 ack 2");
      assertEquals(subflow.state, LAST_ACK);
      peer.sends(". 2 ack 102");
      assertEquals([subflow.state, app.code], [CLOSED, null]);
      app.close();
      assertEquals(d.usage.flows, 0);
    });

    it("FIN-WAIT-1: data of ours before the FIN that are acknowledged alone leave it there", () => {
      using d = new Dialogue(PLAIN);
      const { peer, app, subflow } = reach(d, role, ESTABLISHED);
      app.write(100);
      app.finish();
      peer.gets("P. 1:101 ack 1");
      peer.gets("F. 101 ack 1");
      peer.sends(". 1 ack 101");
      assertEquals(subflow.state, FIN_WAIT_1);
      peer.sends(". 1 ack 102");
      assertEquals(subflow.state, FIN_WAIT_2);
    });

    it("FIN-WAIT-1: the FIN is lost and goes again, with back-off, until it is acknowledged", () => {
      using d = new Dialogue(PLAIN);
      const { peer, subflow } = reach(d, role, FIN_WAIT_1);
      const waits = [0, 1, 2, 3].map(() => {
        const wait = d.untilSent();
        peer.gets("F. 1 ack 1");
        return wait;
      });
      // The first is a probe (RFC 8985 §7.3).
      assertEquals([waits[2]! / waits[1]!, waits[3]! / waits[2]!], [2, 2]);
      peer.sends(". 1 ack 2");
      assertEquals(subflow.state, FIN_WAIT_2);
    });

    it("LAST-ACK: the FIN is lost and goes again", () => {
      using d = new Dialogue(PLAIN);
      const { peer, subflow } = reach(d, role, LAST_ACK);
      d.untilSent();
      peer.gets("F. 1 ack 2");
      peer.sends("F. 1 ack 1");
      peer.gets(". 2 ack 2");
      peer.sends(". 2 ack 2");
      assertEquals(subflow.state, CLOSED);
      d.silent();
    });

    it("CLOSING: the FIN is lost and goes again; its acknowledgement leads to TIME-WAIT", () => {
      using d = new Dialogue(PLAIN);
      const { peer, subflow } = reach(d, role, CLOSING);
      d.untilSent();
      peer.gets("F. 1 ack 2");
      peer.sends(". 2 ack 2");
      peer.gets(". 2 ack 2");
      assertEquals(subflow.state, TIME_WAIT);
    });

    it("FIN-WAIT-1: a RST in place of an answer ends it, and the application hears of it", () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = reach(d, role, FIN_WAIT_1);
      peer.sends("R 1");
      assertEquals(app.code, "ConnectionReset");
    });

    it("TIME-WAIT: a RST with the exact number ends it, one in the window is challenged; a FIN begins it anew (Figure 5)", () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = reach(d, role, TIME_WAIT);
      app.close();
      d.pass(40e6);
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      d.pass(40e6);
      peer.sends("R 1");
      d.silent();
      peer.sends("R 3");
      peer.gets(". 2 ack 2");
      assertEquals(d.usage.flows, 1);
      peer.sends("R 2");
      assertEquals(d.usage.flows, 0);
      d.silent();
    });

    it("TIME-WAIT: is over after a minute, twice the longest life of a segment (Figure 5: to CLOSED)", () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = reach(d, role, TIME_WAIT);
      app.close();
      d.pass(59e6);
      peer.sends("P. 0:1 ack 2");
      peer.gets(". 2 ack 2");
      d.pass(1e6);
      assertEquals(d.usage.flows, 0);
      peer.sends("F. 1 ack 2");
      peer.gets("R 2");
    });
  });
}

describe("RFC 9293 §3.6: closing a connection", () => {
  for (const role of ROLES) {
    it(`Figure 12, normal close sequence, as TCP peer A (${role}, plain TCP)`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      const subflow = app.socket.subflows[0]!;
      app.close();
      peer.gets("F. 1 ack 1");
      assertEquals(subflow.state, FIN_WAIT_1);
      peer.sends(". 1 ack 2");
      assertEquals(subflow.state, FIN_WAIT_2);
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      assertEquals([subflow.state, app.code], [TIME_WAIT, null]);
      d.pass(60e6);
      assertEquals([d.usage.flows, d.usage.connections], [0, 0]);
    });

    it(`Figure 12, normal close sequence, as TCP peer B (${role}, plain TCP)`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      const subflow = app.socket.subflows[0]!;
      peer.sends("F. 1 ack 1");
      peer.gets(". 1 ack 2");
      assertEquals(subflow.state, CLOSE_WAIT);
      app.close();
      peer.gets("F. 1 ack 2");
      assertEquals(subflow.state, LAST_ACK);
      peer.sends(". 2 ack 2");
      assertEquals([subflow.state, app.code, d.usage.connections], [CLOSED, null, 0]);
      d.silent();
    });

    it(`Figure 12, as TCP peer A: the FIN of B acknowledges ours (${role}: FIN-WAIT-1 to TIME-WAIT in one)`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      const subflow = app.socket.subflows[0]!;
      app.close();
      peer.gets("F. 1 ack 1");
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      assertEquals(subflow.state, TIME_WAIT);
    });

    it(`Figure 12, as TCP peer A: our last ACK is lost, the FIN comes again (${role})`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      app.close();
      peer.gets("F. 1 ack 1");
      peer.sends(". 1 ack 2");
      peer.sends("F. 1 ack 2");
      peer.lose();
      d.pass(200e3);
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      d.silent();
    });

    it(`Figure 13, simultaneous close sequence (${role}, plain TCP)`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      const subflow = app.socket.subflows[0]!;
      app.close();
      peer.gets("F. 1 ack 1");
      assertEquals(subflow.state, FIN_WAIT_1);
      peer.sends("F. 1 ack 1");
      peer.gets(". 2 ack 2");
      assertEquals(subflow.state, CLOSING);
      peer.sends(". 2 ack 2");
      assertEquals(subflow.state, TIME_WAIT);
      d.pass(61e6);
      assertEquals(d.usage.flows, 0);
    });

    it(`Figure 13, where the ACKs cross data of both (${role}, plain TCP)`, () => {
      using d = new Dialogue(PLAIN);
      const { peer, app } = role === "server"
        ? d.opened({ mptcp: false })
        : d.dialled({ mptcp: false });
      app.write(10);
      app.finish();
      peer.gets("P. 1:11 ack 1");
      peer.gets("F. 11 ack 1");
      peer.sends("FP. 1:11 ack 1");
      peer.gets(". 12 ack 12");
      assertEquals(app.read(), 10);
      peer.sends(". 12 ack 12");
      assertEquals(app.code, null);
      app.close();
    });

    it(`Figure 12 with MPTCP, as A: the DATA_FINs first, then the FINs of the subflow (${role}; RFC 8684 §3.3.3)`, () => {
      using d = new Dialogue();
      const { peer, app } = role === "server" ? d.opened() : d.dialled();
      const subflow = app.socket.subflows[0]!;
      app.close();
      peer.gets(". 1 ack 1 <map 1 0 1 fin>");
      assertEquals([subflow.state, app.socket.state], [ESTABLISHED, "FIN_WAIT_1"]);
      peer.sends(". 1 ack 1 <dack8 2>");
      assertEquals(app.socket.state, "FIN_WAIT_2");
      peer.sends(". 1 ack 1 <dack8 2, map8 1 0 1 fin>");
      peer.gets("F. 1 ack 1 <dack8 2>");
      assertEquals(subflow.state, FIN_WAIT_1);
      peer.sends("F. 1 ack 2 <dack8 2>");
      peer.gets(". 2 ack 2");
      assertEquals([subflow.state, app.code], [TIME_WAIT, null]);
    });

    it(`Figure 12 with MPTCP, as B (${role}; RFC 8684 §3.3.3)`, () => {
      using d = new Dialogue();
      const { peer, app } = role === "server" ? d.opened() : d.dialled();
      const subflow = app.socket.subflows[0]!;
      peer.sends(". 1 ack 1 <dack8 1, map8 1 0 1 fin>");
      peer.gets(". 1 ack 1 <dack8 2>");
      assertEquals(app.socket.state, "CLOSE_WAIT");
      app.close();
      peer.gets(". 1 ack 1 <dack8 2, map 1 0 1 fin>");
      assertEquals(app.socket.state, "LAST_ACK");
      peer.sends("F. 1 ack 1 <dack8 2>");
      peer.gets("F. 1 ack 2");
      peer.sends(". 2 ack 2 <dack8 2>");
      assertEquals([subflow.state, app.code], [CLOSED, null]);
    });

    it(`Figure 13 with MPTCP: both DATA_FINs at once, both FINs at once (${role}; RFC 8684 §3.3.3)`, () => {
      using d = new Dialogue();
      const { peer, app } = role === "server" ? d.opened() : d.dialled();
      const subflow = app.socket.subflows[0]!;
      app.close();
      peer.gets(". 1 ack 1 <map 1 0 1 fin>");
      peer.sends(". 1 ack 1 <dack8 1, map8 1 0 1 fin>");
      assertEquals(app.socket.state, "CLOSING");
      peer.gets(". 1 ack 1 <dack8 2>");
      peer.sends(". 1 ack 1 <dack8 2>");
      peer.gets("F. 1 ack 1 <dack8 2>");
      peer.sends("F. 1 ack 1 <dack8 2>");
      peer.gets(". 2 ack 2");
      assertEquals(subflow.state, CLOSING);
      peer.sends(". 2 ack 2 <dack8 2>");
      assertEquals([subflow.state, app.code], [TIME_WAIT, null]);
    });
  }
});

describe("RFC 9293 §3.4.3, §3.5.1: a peer that crashed and comes back", () => {
  it("opens anew from the same port: challenge, RST, SYN, and the old connection is over", () => {
    using d = new Dialogue(PLAIN);
    const { peer, app, listener } = d.opened({ mptcp: false });
    peer.sends("P. 1:11 ack 1");
    assertEquals(app.read(), 10);
    d.pass(100e3);
    peer.gets(". 1 ack 11");
    peer.sends(`S 70000 ${PLAIN_SYN}`);
    peer.gets(". 1 ack 11");
    peer.sends("R 11");
    assertEquals(app.code, "ConnectionReset");
    peer.sends(`S 70000 ${PLAIN_SYN}`);
    peer.gets("S. 0 ack 70001");
    peer.sends(". 70001 ack 1");
    const again = d.accept(listener);
    assertEquals(again.socket.subflows[0]!.state, ESTABLISHED);
  });

  it("while we send to it: each segment is sent again until its RST", () => {
    using d = new Dialogue(PLAIN);
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10);
    peer.lose();
    d.untilSent();
    peer.gets("P. 1:11 ack 1");
    peer.sends("R 1");
    assertEquals(app.code, "ConnectionReset");
    d.pass(100e6);
    d.silent();
  });
});
