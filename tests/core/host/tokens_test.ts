import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { keyMaterial } from "../../../core/connection/keys.ts";
import { Tokens } from "../../../core/host/tokens.ts";
import { connection } from "../../support/connections.ts";

const A = { high: 0x01020304, low: 0x05060708 };
const B = { high: 0x11121314, low: 0x15161718 };

/** Draws the words of keys one after the other. */
function draws(...keys: readonly { readonly high: number; readonly low: number }[]): () => number {
  const words = keys.flatMap(({ high, low }) => [high, low]);
  return () => words.shift()!;
}

describe("ARC-7: tokens", () => {
  it("name a connection from when it claims one until it releases it", () => {
    const tokens = new Tokens();
    const { meta } = connection();
    tokens.claim(7, meta);
    assert(tokens.find(7) === meta);
    assertEquals([tokens.find(8), tokens.size], [undefined, 1]);
    tokens.release(7, meta);
    tokens.release(7, meta);
    assertEquals([tokens.find(7), tokens.size], [undefined, 0]);
  });

  it("go on to name who has claimed one since, whoever had it before releases it again", () => {
    const tokens = new Tokens();
    const [before, since] = [connection().meta, connection().meta];
    tokens.claim(7, before);
    tokens.release(7, before);
    tokens.claim(7, since);
    tokens.release(7, before);
    assert(tokens.find(7) === since);
  });

  // RFC 8684 §3.1: "it MUST be unique for the sending host across all its current MPTCP connections"
  // RFC 8684 §3.1: "an implementation SHOULD check its list of connection tokens to ensure that there is no collision before sending its
  // key"
  it("are unique: a key whose token is taken is drawn again (RFC 8684 §3.1)", () => {
    const tokens = new Tokens();
    const { token } = keyMaterial(A);
    const { meta } = connection();
    tokens.claim(token, meta);
    assertEquals(tokens.newKey(draws(A, B)), B);
    tokens.release(token, meta);
    assertEquals(tokens.newKey(draws(A, B)), A);
  });

  it("are drawn four times at most: without a free one there is no key", () => {
    const tokens = new Tokens();
    tokens.claim(keyMaterial(A).token, connection().meta);
    assertEquals(tokens.newKey(draws(A, A, A, B)), B);
    assertEquals(tokens.newKey(draws(A, A, A, A, B)), null);
  });

  it("are of a key other than 0, of which half may be", () => {
    const zero = { high: 0, low: 0 };
    for (const key of [{ high: 0, low: 1 }, { high: 1, low: 0 }]) {
      assertEquals(new Tokens().newKey(draws(zero, key)), key);
    }
  });
});
