/** The table of docs/compliance.md: it is current, citations mean something, and what RFC 8684 demands is carried out and tested. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ROOT } from "../support/serve.ts";
import { readCitations, readMentions, testOf } from "./citations.ts";
import { find, readRequirements } from "./requirements.ts";
import { markdown, readReasons, readTable } from "./table.ts";

const table = await readTable(ROOT);

describe("compliance", () => {
  it("cites what is demanded, word by word", () => {
    assertEquals(table.errors, []);
  });

  it("lacks no MUST without saying so", () => {
    const silent = table.rows.filter(({ requirement, state, reason }) =>
      requirement.level === "MUST" && state === "open" && reason === null
    );
    assertEquals(silent.map(({ requirement }) => `${requirement.id}: ${requirement.text}`), []);
  });

  it("is written down as it is (deno task compliance)", async () => {
    const written = await Deno.readTextFile(new URL("docs/compliance.md", ROOT));
    assert(written === markdown(table), "docs/compliance.md is old: run `deno task compliance`");
  });

  it("has all sentences of RFC 8684 and RFC 6356, and all rows of the draft", () => {
    const count = (source: string, level: string): number =>
      table.rows.filter(({ requirement }) =>
        requirement.source === source && requirement.level === level
      ).length;
    assertEquals(["MUST", "SHOULD", "MAY"].map((level) => count("RFC 8684", level)), [82, 50, 19]);
    assertEquals(["MUST", "SHOULD", "MAY"].map((level) => count("RFC 6356", level)), [2, 1, 1]);
    assertEquals(["P0", "P1"].map((level) => count("draft", level)), [60, 22]);
    const ids = table.rows.map(({ requirement }) => requirement.id);
    assertEquals(new Set(ids).size, ids.length);
  });
});

const LIST = readRequirements(
  "RFC 1",
  [
    'R1 MUST §3.1: It MUST set the "B" bit to 0, and ignore it.',
    "R2 SHOULD §3.1: It SHOULD NOT set the bit.",
    "R3 MAY §3.2: It MAY set the bit, and ignore it.",
  ].join("\n"),
);

function idOf(section: string, words: string): string {
  const found = find(LIST, section, words);
  return typeof found === "string" ? found : found.id;
}

describe("a citation", () => {
  it("means the one sentence of its section that has its words", () => {
    assertEquals(idOf("3.1", "It MUST set the 'B' bit"), "R1");
    assertEquals(idOf("3.1", "It MUST …  ignore\n it"), "R1");
    assertEquals(idOf("3.2", "set the bit"), "R3");
  });

  it("is refused where that is none, or more than one", () => {
    assertEquals(
      idOf("3.1", "It MUST set the C bit to 1"),
      `stands in no requirement (what has no MUST, SHOULD or MAY is quoted without a colon); the nearest is R1 of §3.1: "It MUST set the "B" bit to 0, and ignore it."`,
    );
    assertEquals(idOf("3.1", "ignore … MUST").slice(0, 15), "stands in no re");
    assertStringIncludes(idOf("3.1", "bit"), "stands in 2 sentences of §3.1");
    assertStringIncludes(idOf("3.1", "…"), "quote more");
    assertEquals(idOf("3.3", "It MAY"), "stands in §3.2");
  });

  it("goes on over the lines of a comment, whatever kind it is", () => {
    const text = [
      '// RFC 1 §3.1: "It MUST',
      "// set it",
      '// to 0". More.',
      '  /** RFC 2 §A.5: "one". */ code();',
      '  * Some RFC 3 §1: "two',
      '  * three" words, RFC 3 §2: "four".',
      `it('RFC 4 §5: "five"', () => {});`,
      'it("RFC 4 §5: \\"six\\"", () => {});',
      '// RFC 5 §1, "seven", and RFC 5 §1: eight.',
    ].join("\n");
    assertEquals(
      readCitations("x.ts", text).map(({ source, section, words, line }) =>
        `${line} ${source} ${section} ${words.replace(/\s+/g, " ")}`
      ),
      [
        "1 RFC 1 3.1 It MUST set it to 0",
        "4 RFC 2 A.5 one",
        "5 RFC 3 1 two three",
        "6 RFC 3 2 four",
        "7 RFC 4 5 five",
        "8 RFC 4 5 six",
      ],
    );
    assertThrows(
      () => readCitations("x.ts", '// RFC 1 §3.1: "It MUST\ncode();'),
      Error,
      "x.ts:1 as its quote does not end",
    );
  });

  it("of rows of the draft is their names, of several in a row the first and the last", () => {
    const ids = ["PM-1", "PM-2", "PM-3", "CC-1", "CC-10"];
    const text = "// PM-1 to PM-3\nconst x = 'CC-1'; // CC-10\nPM-2";
    const named = (everywhere: boolean): string[] =>
      readMentions(text, ids, everywhere).map(({ id, line }) => `${line} ${id}`);
    assertEquals(named(false), ["1 PM-1", "1 PM-3", "1 PM-2", "2 CC-10"]);
    assertEquals(named(true).slice(3), ["2 CC-1", "2 CC-10", "3 PM-2"]);
  });

  it("belongs to the test below its comment, else to the one around it", () => {
    const lines = [
      "// head",
      'describe("group", () => {',
      "  // below",
      '  it("one", () => {',
      "    // around",
      "    call();",
      "  });",
      "  // loop",
      "  for (const x of [1, 2]) {",
      "    it(`two ${x}`, () => {});",
      "  }",
      "  it(",
      '    "three",',
      "    () => {},",
      "  );",
      '  needs("ip").it("four", () => {});',
      "  const helper = 1; // in the group",
      "});",
    ];
    const names = lines.map((_, i) => testOf(lines, i + 1)?.name ?? "-");
    assertEquals(names[0], "group");
    assertEquals(names.slice(2, 6), ["one", "one", "one", "one"]);
    assertEquals(names[7], "two ${x}");
    assertEquals(names[9], "two ${x}");
    assertEquals(names.slice(11, 14), ["three", "three", "three"]);
    assertEquals(names.slice(15, 17), ["four", "group"]);
  });

  it("is not needed where a reason stands", () => {
    const reasons = readReasons("# Head\nR1 exception: one\n  and two\nR2 open: three\n");
    assertEquals(reasons.get("R1"), { open: false, reason: "one and two" });
    assertEquals(reasons.get("R2"), { open: true, reason: "three" });
    assertThrows(() => readReasons("R1 because"), Error, 'does not begin "R7 exception: "');
    assertThrows(() => readReasons("R1 open: a\nR1 open: b"), Error, "two reasons for R1");
  });
});
