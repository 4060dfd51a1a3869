import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { TargetError } from "../../cli/gateway/target.ts";
import { explainSilence } from "../../cli/udp_options.ts";

describe("a relay that does not answer", () => {
  const silence = new Deno.errors.TimedOut("no answer came");

  it("is told of with what it needs, which is not more time", () => {
    const cases = [
      [
        "in datagrams to UDP port 8684",
        "the same key, and be reached in datagrams to UDP port 8684",
      ],
      ["", "find their way there and back (--via udp needs no routes)"],
    ] as const;
    for (const [udpPort, what] of cases) {
      const error = explainSilence(silence, "192.0.2.1:1081", udpPort);
      assert(error instanceof TargetError);
      assertEquals(error.outcome, "timed out");
      assertStringIncludes(error.message, "192.0.2.1:1081 does not answer");
      assertStringIncludes(error.message, what);
    }
  });

  it("is no other error", () => {
    const refused = new Deno.errors.ConnectionRefused("nothing listens");
    assertEquals(explainSilence(refused, "192.0.2.1:1081", ""), refused);
  });
});
