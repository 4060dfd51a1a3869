/** What a reader sees of a declaration: its text in the source, without bodies and private members. The source is as `deno fmt` leaves it. */

/** Lines from `start`, counted from 0, to the first that `last` says yes to. */
function upTo(
  lines: readonly string[],
  start: number,
  last: (line: string) => boolean,
): string[] {
  const length = lines.slice(start).findIndex(last);
  if (length < 0) throw new Error(`Cannot find the end of ${lines[start]}`);
  return lines.slice(start, start + length + 1);
}

/** The members of a class that are public, with their comments. */
function publicMembers(body: readonly string[]): string[] {
  const kept: string[] = [];
  let comment: string[] = [];
  for (let at = 0; at < body.length; at++) {
    const line = body[at]!;
    if (/^ {2}\/\*\*/.test(line)) {
      comment = upTo(body, at, (text) => text.includes("*/"));
      at += comment.length - 1;
    } else if (/^ {2}\/\//.test(line) || line === "") {
      comment = line === "" ? [] : comment;
    } else {
      const begin = upTo(
        body,
        at,
        (text) => /^ {2}\S.*[{;]$|^ {2}\S.*\{\}$/.test(text),
      );
      at += begin.length - 1;
      const last = begin.at(-1)!;
      if (last.endsWith("{")) {
        at += upTo(body, at, (text) => /^ {2}\}/.test(text)).length - 1;
      }
      const shown = /^ {2}(?!.*#|private |protected |static \{)/.test(
        begin[0]!,
      );
      // What a member begins with is not for readers, nor is its body.
      const head = [
        ...begin.slice(0, -1),
        last.replace(/( = .*)?;$| \{\}?$/, ";"),
      ];
      if (shown) kept.push(...kept.length > 0 ? [""] : [], ...comment, ...head);
      comment = [];
    }
  }
  return kept;
}

/** The declaration of `kind` that begins in line `line`, from 1 on, of `source`. */
export function declarationOf(
  kind: string,
  source: string,
  line: number,
): string {
  const lines = source.split("\n");
  const start = line - 1;
  let text: string[];
  if (kind === "function") {
    text = upTo(lines, start, (each) => /^\S.*(\{|;)$/.test(each));
    text.push(text.pop()!.replace(/ \{$/, ";"));
  } else if (kind === "class") {
    const head = upTo(lines, start, (each) => /\{\}?$/.test(each));
    const end = head.at(-1)!.endsWith("{}")
      ? head
      : upTo(lines, start + head.length, (each) => each === "}");
    text = [...head, ...publicMembers(end.slice(0, -1)), "}"];
  } else if (kind === "interface") {
    text = lines[start]!.endsWith("{}")
      ? [lines[start]!]
      : upTo(lines, start, (each) => each === "}");
  } else if (kind === "variable") {
    text = [lines[start]!.replace(/ = .*$/, ";")];
  } else {
    let depth = 0;
    text = upTo(lines, start, (each) => {
      for (
        const letter of each.replaceAll(/"[^"]*"|=>|\/\/.*|^ *\/?\*.*/g, "")
      ) {
        if ("{([<".includes(letter)) depth++;
        else if ("})]>".includes(letter)) depth--;
      }
      return depth === 0 && each.endsWith(";");
    });
  }
  return text.join("\n").replace(/^export (default )?(declare )?/, "");
}
