/** Subflows that a proxy has used up: how often another one over the same pair takes their place. */

import { assertEquals } from "@std/assert";
import { Replacements } from "../../../core/connection/replacements.ts";

function ends(address: string, port: number) {
  return { local: { address, port }, remote: { address: "10.0.0.1", port: 80 } };
}

Deno.test("a pair that was replaced may be again, whatever its ports, while data arrive", () => {
  const replacements = new Replacements();
  assertEquals(replacements.may(ends("10.0.1.1", 5000), 1), false);
  assertEquals(replacements.begin(ends("10.0.1.1", 5000), 1000), true);
  assertEquals(replacements.may(ends("10.0.1.1", 5001), 1000), true);
  assertEquals(replacements.may(ends("10.0.2.1", 5000), 1000), false);
});

Deno.test("five replacements without anything DATA_ACKed are enough; one that helped begins anew", () => {
  const replacements = new Replacements();
  const path = ends("10.0.1.1", 5000);
  replacements.begin(path, 1000);
  for (let i = 0; i < 4; i++) {
    assertEquals(replacements.may(path, 1000), true);
    assertEquals(replacements.begin(path, 1000), false);
  }
  assertEquals(replacements.may(path, 1000), false);
  assertEquals(replacements.may(path, 1001), true);
});
