/**
 * `deno task compliance`: what RFC 8684, RFC 6356 and the founding draft demand, where it is carried out, where it is tested, and what is excepted; writes
 * docs/compliance.md. Takes names of requirements (R31, ARC-7) or `open` to print these alone.
 */

import { print } from "../../cli/output.ts";
import { markdown, readTable, totals } from "./table.ts";

if (Deno.args.includes("--help")) {
  print(`deno task compliance [NAME…] [open|excepted|done]

Lists what RFC 8684, RFC 6356 and the founding draft demand with the code, tests and mutants that
cite it, and writes docs/compliance.md. NAME: a requirement, R31 or ARC-7. Default: all.`);
  Deno.exit();
}
const root = new URL("../../", import.meta.url);
const table = await readTable(root);
const wanted = (id: string, state: string): boolean =>
  Deno.args.length === 0 || Deno.args.includes(id) || Deno.args.includes(state);
for (const { requirement, code, tests, mutants, reason, state } of table.rows) {
  const { source, id, level, section, text } = requirement;
  if (!wanted(id, state)) continue;
  print(`${id} ${level} ${source} §${section}: ${text}`);
  for (const place of code) print(`  code ${place}`);
  for (const { file, line, name } of tests) print(`  test ${file}:${line} ${name}`);
  for (const name of mutants) print(`  mutant ${name}`);
  if (state !== "done") print(`  ${state.toUpperCase()}${reason === null ? "" : `: ${reason}`}`);
}
for (const { source, level, all, done, guarded, excepted, open } of totals(table.rows)) {
  print(
    `${source} ${level}: ${done} of ${all} in code and tests (${guarded} with a mutant), ${excepted} excepted, ${open} open`,
  );
}
for (const error of table.errors) print(error);
await Deno.writeTextFile(new URL("docs/compliance.md", root), markdown(table));
Deno.exitCode = table.errors.length === 0 ? 0 : 1;
