/** What is demanded: the sentences of RFC 8684 and RFC 6356 that have MUST, SHOULD or MAY in them, and the rows of the founding draft. */

/** How much is asked: of RFCs, then of the draft. */
export type Level = "MUST" | "SHOULD" | "MAY" | "P0" | "P1";

/** One sentence of an RFC, or one row of the draft. */
export interface Requirement {
  /** `RFC 8684` or `draft`. */
  readonly source: string;
  /** Its name: R31, or ARC-7. */
  readonly id: string;
  /** How much is asked; of a sentence with several such words the most. */
  readonly level: Level;
  /** Number of the section, without the sign. */
  readonly section: string;
  /** The sentence itself, or of a row its rule in words of this project. */
  readonly text: string;
}

/** The lists beside this file. */
export const LISTS: Readonly<Record<string, string>> = {
  "RFC 8684": "rfc8684.txt",
  "RFC 6356": "rfc6356.txt",
  "draft": "draft.txt",
};

/** Reads lines of the form `R31 MUST §3.1: …`. */
export function readRequirements(source: string, text: string): Requirement[] {
  return text.trimEnd().split("\n").map((line) => {
    const match = /^([A-Z]+-?\d+) (MUST|SHOULD|MAY|P0|P1) §([\dA-E.]+): (.+)$/.exec(line);
    if (!match) {
      throw new Error(`Cannot read "${line}" as it is not of the form "R31 MUST §3.1: words"`);
    }
    const [, id = "", level = "", section = "", words = ""] = match;
    return { source, id, level: level as Level, section, text: words };
  });
}

/** Text as citations are compared with it: one space between words, single quotes. */
export function plain(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll('"', "'").trim();
}

/** Whether the parts of a citation stand in a sentence, in their order. */
function has(sentence: string, parts: readonly string[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = sentence.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}

/** How much two texts have in common: pairs of neighbouring words. */
function likeness(a: string, b: string): number {
  const pairs = (text: string): Set<string> => {
    const words = text.toLowerCase().match(/\w+/g) ?? [];
    return new Set(words.map((word, i) => `${word} ${words[i + 1] ?? ""}`));
  };
  const other = pairs(b);
  return [...pairs(a)].filter((pair) => other.has(pair)).length;
}

/** The requirement that words of a section name; else what is wrong with them. */
export function find(
  requirements: readonly Requirement[],
  section: string,
  words: string,
): Requirement | string {
  const parts = plain(words).split("…").map((part) => part.trim()).filter((part) => part !== "");
  const everywhere = requirements.filter(({ text }) => has(plain(text), parts));
  const found = everywhere.filter((requirement) => requirement.section === section);
  if (parts.length > 0 && found.length === 1 && found[0] !== undefined) return found[0];
  if (parts.length === 0 || found.length > 1) {
    return `stands in ${found.length} sentences of §${section}: quote more of the one that is meant`;
  }
  if (everywhere.length > 0) {
    return `stands in ${everywhere.map(({ section }) => `§${section}`).join(", ")}`;
  }
  const near = (requirement: Requirement): number =>
    likeness(requirement.text, words) + (requirement.section === section ? 0.5 : 0);
  const [nearest] = requirements.toSorted((a, b) => near(b) - near(a));
  return nearest === undefined
    ? "stands nowhere"
    : `stands in no requirement (what has no MUST, SHOULD or MAY is quoted without a colon); the nearest is ${nearest.id} of §${nearest.section}: "${nearest.text}"`;
}
