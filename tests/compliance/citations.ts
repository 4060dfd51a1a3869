/** Where source texts cite requirements: `RFC 8684 §3.2: "words of the sentence"` in comments and in names of tests, rows of the draft by their names. */

/** One citation of an RFC. */
export interface Citation {
  readonly source: string;
  readonly section: string;
  /** The words between the quotes, over the lines of a comment. */
  readonly words: string;
  /** Line, from 1. */
  readonly line: number;
}

/** One row of the draft that is named. */
export interface Mention {
  readonly id: string;
  /** Line, from 1. */
  readonly line: number;
}

/** A test, a step or a group of them. */
export interface TestName {
  /** As its source has it, so with `${…}` where it is one of several. */
  readonly name: string;
  /** Line, from 1. */
  readonly line: number;
  /** Whether it is a group (`describe`). */
  readonly group: boolean;
}

/** The start of a comment's line, or of one that a comment goes on in. */
const COMMENT = /^\s*(?:\/\/+|\/\*+|\*+\/?)\s?/;

/** Lists the citations of RFCs in a text. */
export function readCitations(file: string, text: string): Citation[] {
  const lines = text.split("\n");
  const found: Citation[] = [];
  lines.forEach((line, i) => {
    for (const match of line.matchAll(/(RFC \d+) §([\dA-E.]*[\dA-E]): ?\\?"(.*)$/g)) {
      const [, source = "", section = "", first = ""] = match;
      let words = first;
      // A comment goes on; the name of a test stands on one line.
      for (let next = i + 1; !words.includes('"'); next++) {
        const more = lines[next];
        // The head of a patch has no marks of comments, and ends with an empty line.
        const goesOn = file.endsWith(".patch") ? /\S/.test(more ?? "") : COMMENT.test(more ?? "");
        if (more === undefined || !goesOn) {
          throw new Error(
            `Cannot read the citation of ${source} at ${file}:${i + 1} as its quote does not end`,
          );
        }
        words += ` ${more.replace(COMMENT, "")}`;
      }
      words = words.slice(0, words.indexOf('"')).replaceAll("\\", "");
      found.push({ source, section, words, line: i + 1 });
    }
  });
  return found;
}

/** Lists the rows of the draft that comments name, or (`everywhere`) any line does; "PM-1 to PM-5" are five. */
export function readMentions(
  text: string,
  ids: readonly string[],
  everywhere: boolean,
): Mention[] {
  const found: Mention[] = [];
  text.split("\n").forEach((line, i) => {
    const start = everywhere || COMMENT.test(line) ? 0 : line.indexOf("// ");
    if (start < 0) return;
    const words = line.slice(start);
    const named = new Set(ids.filter((id) => new RegExp(`\\b${id}(?!\\d)`).test(words)));
    for (
      const [, from = "", low, to, high] of words.matchAll(/\b([A-Z]+)-(\d+) to ([A-Z]+)-(\d+)/g)
    ) {
      if (from !== to) continue;
      for (let n = Number(low); n <= Number(high); n++) named.add(`${from}-${n}`);
    }
    for (const id of named) if (ids.includes(id)) found.push({ id, line: i + 1 });
  });
  return found;
}

const TEST = /\b(it|describe|step|test)(?:\.only)?\(\s*$|\b(it|describe|step|test)\((["'`])/;

/** The test or group that begins on a line. */
function testAt(lines: readonly string[], i: number): TestName | null {
  const line = lines[i] ?? "";
  const match = TEST.exec(line);
  if (match === null) return null;
  const [, alone, beside] = match;
  const rest = alone === undefined ? line.slice(match.index) : lines[i + 1] ?? "";
  const name = /(["'`])((?:\\.|(?!\1).)*)\1/.exec(rest)?.[2];
  if (name === undefined) return null;
  return {
    name: name.replace(/\\(.)/g, "$1"),
    line: i + 1,
    group: (alone ?? beside) === "describe",
  };
}

/** All tests, steps and groups of a file whose names stand in it. */
export function testsOf(text: string): TestName[] {
  const lines = text.split("\n");
  return lines.map((_, i) => testAt(lines, i)).filter((test) => test !== null);
}

/** Whether the name of a test, as reports have it, is one that a name in the source makes. */
export function isNamed(written: string, name: string): boolean {
  const pattern = written.split(/\$\{[^}]*\}/).map((part) => RegExp.escape(part)).join(".*");
  return new RegExp(`^${pattern}$`).test(name);
}

function depthOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** The test that a line of a test file belongs to: the one right below its comment, or else the one around it; formatted sources show it by their indents. */
export function testOf(lines: readonly string[], line: number): TestName | null {
  let at = line - 1;
  if (COMMENT.test(lines[at] ?? "")) {
    while (at < lines.length && COMMENT.test(lines[at] ?? "")) at++;
    // One of several, in a loop: its name is below the loop's head, which may take several lines.
    while (/^\s*for \(/.test(lines[at] ?? "")) {
      while (at < lines.length && !(lines[at] ?? "").endsWith(") {")) at++;
      at++;
    }
    const below = testAt(lines, at);
    if (below !== null) return below;
  } else {
    // The name of a test may stand below its parenthesis.
    const opened = (lines[at - 1] ?? "").endsWith("(");
    const own = testAt(lines, at) ?? (opened ? testAt(lines, at - 1) : null);
    if (own !== null) return own;
  }
  let depth = depthOf(lines[line - 1] ?? "");
  for (at = line - 2; at >= 0 && depth > 0; at--) {
    const text = lines[at] ?? "";
    if (text.trim() === "" || depthOf(text) >= depth) continue;
    const around = testAt(lines, at);
    if (around !== null) return around;
    depth = depthOf(text);
  }
  return null;
}
