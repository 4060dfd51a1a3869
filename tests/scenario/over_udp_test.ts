/** The suite of scenarios runs over UDP: some of its files here, all by `deno run -A tests/scenario/over_udp.ts`; and what does not hold there has a reason. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  exceptionFor,
  EXCEPTIONS,
  faults,
  files,
  makesTopologies,
  matrix,
  outcomes,
  read,
} from "./over_udp.ts";

/** Those that take least, and one of which some tests do not hold. */
const SOME = ["lost_ends_test.ts", "mptcp_connect_test.ts", "path_mtu_test.ts"];

describe("tests of scenarios, over UDP", () => {
  for (const file of SOME) {
    it(`hold, or are listed with a reason: ${file}`, async () => {
      const all = await outcomes(file);
      assert(all.length > 3);
      assertEquals(faults(file, all), []);
    });
  }
});

describe("the list of what does not hold over UDP", () => {
  it("stands in docs/udp.md, with a reason for each file that does not run there or not whole", async () => {
    // `deno fmt` lines the columns up.
    const plain = (text: string): string => text.replace(/ +/g, " ").replace(/-+/g, "-");
    const page = await Deno.readTextFile(new URL("../../docs/udp.md", import.meta.url));
    for (const row of matrix().split("\n")) {
      assert(
        plain(page).includes(plain(row)),
        `deno run -A tests/scenario/over_udp.ts --matrix: ${row}`,
      );
      assert(/\| all \| \|$/.test(row) || !/\| \|$/.test(row), row);
    }
  });

  it("says of a file that it does not run there where it makes no topology, and of no other", async () => {
    for (const file of files()) {
      const none = matrix().includes(`| ${file.replace("_test.ts", "")} | none |`);
      assertEquals(await makesTopologies(file), !none, file);
    }
  });

  it("names files that there are", () => {
    const all = files();
    assertEquals(EXCEPTIONS.filter(({ file }) => !all.includes(file)), []);
    assertEquals(SOME.filter((file) => !all.includes(file)), []);
  });

  const report = (name: string, inside = ""): string =>
    `<testcase name="${name}" classname="x">${inside}</testcase>`;
  const failure = '<failure message="Uncaught Error">Error</failure>';

  it("is compared with what a run reports, step by step", () => {
    const text = report("a", '<failure message="1 test step failed">1</failure>') +
      report("a &gt; b") + report("a &gt; c", failure) + report("d");
    assertEquals(read(text), [
      { name: "a > b", passed: true },
      { name: "a > c", passed: false },
      { name: "d", passed: true },
    ]);
  });

  it("has no room for a failure without a reason, nor for a reason without a failure", () => {
    const file = "path_mtu_test.ts";
    const known = "a path > 1280 ICMP IPv6 MPTCP";
    assert(exceptionFor(file, known));
    assertEquals(faults(file, [{ name: known, passed: false }]), []);
    const other = { name: "a path > 1400 ICMP", passed: false };
    assertEquals(faults(file, [{ name: known, passed: false }, other]), [`fails: ${other.name}`]);
    assertEquals(faults(file, [{ name: known, passed: true }]).length, 1);
    assertEquals(faults("long_test.ts", []), ["did not run"]);
  });
});
