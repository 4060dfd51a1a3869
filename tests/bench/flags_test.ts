/** Measurements that are programs of their own say what is wrong with their options in words. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RUN } from "../support/command.ts";

const ROOT = new URL("../../", import.meta.url);

describe("options of a measurement", () => {
  const wrong: readonly (readonly [string, string, string])[] = [
    [
      "goals",
      "--seeds=x",
      "Cannot measure as --seeds must be an integer from 1 on: current value is x",
    ],
    [
      "goals",
      "--cc=nope",
      "--cc: Cannot use nope as a congestion control as there is none of that",
    ],
    ["unlike_paths", "--seeds=0", "Cannot measure as --seeds must be an integer from 1 on"],
    ["emulator", "--rounds=0", "Cannot measure as --rounds must be an integer from 1 on"],
    ["utilisation", "--fast", "Cannot measure as there is no option --fast"],
    ["utilisation", "--only=nope", "Cannot measure as --only nope is in no name: there are 100"],
    ["goals", "--only=nope", "Cannot measure as --only nope is in no name: there are "],
    ["draft", "stray", "Cannot measure as there is no option stray"],
    ["checksum_native", "--fast", "Cannot measure as there is no option --fast"],
  ];
  for (const [program, option, told] of wrong) {
    it(`${program} ${option}: is refused in words, without a stack`, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [...RUN, "--no-check", "--quiet", new URL(`bench/${program}.ts`, ROOT).href, option],
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder().decode(stderr);
      assertEquals([success, stdout.length], [false, 0]);
      assertEquals(text.slice(0, told.length), told);
      assertEquals(/^ +at /m.test(text), false, text);
    });
  }
});
