/** Joins requirements with the code and the tests that cite them. */

import { readMutants } from "../mutants/run.ts";
import { listFiles } from "../support/architecture.ts";
import { isNamed, readCitations, readMentions, testOf } from "./citations.ts";
import { find, LISTS, readRequirements, type Requirement } from "./requirements.ts";

/** A test that proves a requirement. */
export interface Proof {
  readonly file: string;
  readonly line: number;
  readonly name: string;
}

/** One requirement and what became of it. */
export interface Row {
  readonly requirement: Requirement;
  /** `file:line` of what carries it out. */
  readonly code: readonly string[];
  readonly tests: readonly Proof[];
  /** Patches that switch it off and that one of the tests notices. */
  readonly mutants: readonly string[];
  /** Why it is not carried out, or not by us. */
  readonly reason: string | null;
  /** `done`: in code and in a test; of the draft, which speaks of whole designs, a test is enough. `open`: neither that nor an exception. */
  readonly state: "done" | "exception" | "open";
}

/** All of it, and what is wrong with citations and exceptions. */
export interface Table {
  readonly rows: readonly Row[];
  readonly errors: readonly string[];
}

/** Where code is that may cite. */
const CODE = /^(?:core|sched|pm|cc|wasm|cli|bench)\/.*(?<!_test)\.ts$/;

/** Reads `R7 exception: why` and `R49 open: what is missing`; a line that begins with a space goes on. */
export function readReasons(text: string): Map<string, { open: boolean; reason: string }> {
  const reasons = new Map<string, { open: boolean; reason: string }>();
  for (const line of text.trimEnd().replace(/\n +/g, " ").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = /^([A-Z]+-?\d+) (exception|open): (.+)$/.exec(line);
    if (!match) throw new Error(`Cannot read "${line}" as it does not begin "R7 exception: "`);
    const [, id = "", kind, reason = ""] = match;
    if (reasons.has(id)) throw new Error(`Cannot use two reasons for ${id}`);
    reasons.set(id, { open: kind === "open", reason });
  }
  return reasons;
}

/** Reads the tree at `root`. */
export async function readTable(root: URL): Promise<Table> {
  const here = new URL("tests/compliance/", root);
  const read = (file: string): Promise<string> => Deno.readTextFile(new URL(file, root));
  const requirements: Requirement[] = [];
  for (const [source, list] of Object.entries(LISTS)) {
    requirements.push(...readRequirements(source, await Deno.readTextFile(new URL(list, here))));
  }
  // An "open" that is done by now goes unnoticed: who does it need not know that list.
  const reasons = readReasons(await Deno.readTextFile(new URL("exceptions.txt", here)));
  const errors: string[] = [];
  const code = new Map<string, string[]>();
  const tests = new Map<string, Proof[]>();
  const mutants = new Map<string, Set<string>>();
  const add = <Item>(to: Map<string, Item[]>, id: string, item: Item): void => {
    to.set(id, [...to.get(id) ?? [], item]);
  };
  /** The name of what a citation means, or null: it is another RFC's, or wrong. */
  const meant = (
    file: string,
    { source, section, words, line }: ReturnType<typeof readCitations>[number],
  ): string | null => {
    if (!(source in LISTS)) return null;
    const found = find(requirements.filter((one) => one.source === source), section, words);
    if (typeof found !== "string") return found.id;
    errors.push(`${file}:${line} cites ${source} §${section}: "${words}", which ${found}`);
    return null;
  };
  const rows = requirements.filter(({ source }) => source === "draft").map(({ id }) => id);
  for (const file of listFiles(root, ".ts")) {
    const isTest = file.endsWith("_test.ts");
    if (!isTest && !CODE.test(file)) continue;
    if (file.startsWith("tests/compliance/")) continue;
    const text = await read(file);
    const lines = text.split("\n");
    const place = (id: string, line: number, cited: boolean): void => {
      if (!isTest) return add(code, id, `${file}:${line}`);
      const test = testOf(lines, line);
      if (test === null) {
        if (cited) errors.push(`${file}:${line} cites, but belongs to no test`);
        return;
      }
      const known = tests.get(id)?.some((one) => one.file === file && one.line === test.line);
      if (!known) add(tests, id, { file, line: test.line, name: test.name });
    };
    for (const citation of readCitations(file, text)) {
      const id = meant(file, citation);
      if (id !== null) place(id, citation.line, true);
    }
    for (const { id, line } of readMentions(text, rows, isTest)) place(id, line, false);
  }
  for (
    const { name, patch, file, test } of await readMutants(new URL("tests/mutants/", root), [])
  ) {
    const [text = ""] = (await Deno.readTextFile(patch)).split("\n--- a/", 1);
    // Its lines go on like those of a comment.
    const head = text.replace(/^/gm, "// ");
    const proves = (id: string): void => {
      mutants.set(id, (mutants.get(id) ?? new Set()).add(name));
    };
    for (const citation of readCitations(`tests/mutants/${name}.patch`, head)) {
      const id = meant(`tests/mutants/${name}.patch`, citation);
      if (id !== null) proves(id);
    }
    for (const { id } of readMentions(head, rows, true)) proves(id);
    for (const [id, proofs] of tests) {
      if (proofs.some((proof) => proof.file === file && isNamed(proof.name, test))) proves(id);
    }
  }
  for (const id of reasons.keys()) {
    if (!requirements.some((requirement) => requirement.id === id)) {
      errors.push(`exceptions.txt has ${id}, which is no requirement`);
    }
  }
  return {
    rows: requirements.map((requirement) => {
      const { id, source } = requirement;
      const row = {
        requirement,
        code: code.get(id) ?? [],
        tests: tests.get(id) ?? [],
        mutants: [...mutants.get(id) ?? []].sort(),
        reason: reasons.get(id)?.reason ?? null,
      };
      const done = row.tests.length > 0 && (row.code.length > 0 || source === "draft");
      if (done && reasons.get(id)?.open === false) {
        errors.push(
          `exceptions.txt has ${id}, which is in code and in a test: one of them is wrong`,
        );
      }
      const excepted = reasons.get(id)?.open === false;
      return { ...row, state: done ? "done" : excepted ? "exception" : "open" };
    }),
    errors,
  };
}

const LEVELS = ["MUST", "SHOULD", "MAY", "P0", "P1"] as const;

/** One line of totals. */
export interface Total {
  readonly source: string;
  readonly level: string;
  readonly all: number;
  readonly done: number;
  readonly excepted: number;
  readonly open: number;
  /** Those done that a mutant guards. */
  readonly guarded: number;
}

/** Counts by source and level. */
export function totals(rows: readonly Row[]): Total[] {
  return Object.keys(LISTS).flatMap((source) =>
    LEVELS.flatMap((level): Total[] => {
      const some = rows.filter(({ requirement }) =>
        requirement.source === source && requirement.level === level
      );
      const count = (state: Row["state"]): number => some.filter((r) => r.state === state).length;
      return some.length === 0 ? [] : [{
        source,
        level,
        all: some.length,
        done: count("done"),
        excepted: count("exception"),
        open: count("open"),
        guarded: some.filter((row) => row.state === "done" && row.mutants.length > 0).length,
      }];
    })
  );
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replace(/\s+/g, " ");
}

/** The whole table as Markdown, without lines of files: those move with every change. */
export function markdown({ rows }: Table): string {
  const out = [
    "# Compliance",
    "",
    "Every sentence of RFC 8684 and RFC 6356 with MUST, SHOULD or MAY in it, and every P0 and P1 row of the founding draft: the code that cites it, the",
    "tests that cite it, and the mutants (tests/mutants: patches that switch a rule off) which one of these tests is known to notice. `deno task compliance`",
    "writes this file from the citations, and prints the lines; CONTRIBUTING.md says how a citation looks.",
    "",
    "| | level | in all | in code and tests | by a mutant, too | exceptions | open |",
    "| --- | --- | --: | --: | --: | --: | --: |",
    ...totals(rows).map((t) =>
      `| ${t.source} | ${t.level} | ${t.all} | ${t.done} | ${t.guarded} | ${t.excepted} | ${t.open} |`
    ),
  ];
  let heading = "";
  for (const { requirement, code, tests, mutants, reason, state } of rows) {
    const { source, id, level, section, text } = requirement;
    const part = source === "draft" ? "The founding draft" : `${source} §${section}`;
    if (part !== heading) {
      heading = part;
      out.push("", `## ${part}`, "", "| | level | what | where |", "| --- | --- | --- | --- |");
    }
    const files = [...new Set(code.map((place) => place.replace(/:\d+$/, "")))];
    const where = [
      ...files.length > 0 ? [`code: ${files.join(", ")}`] : [],
      ...tests.map(({ file, name }) => `test: ${file}: ${cell(name)}`),
      ...mutants.length > 0 ? [`mutants: ${mutants.join(", ")}`] : [],
      ...state === "open" ? ["**open**"] : [],
      ...reason === null || state === "done"
        ? []
        : [`${state === "exception" ? "exception: " : ""}${cell(reason)}`],
    ];
    out.push(`| ${id} | ${level} | ${cell(text)} | ${where.join("<br>")} |`);
  }
  return `${out.join("\n")}\n`;
}
