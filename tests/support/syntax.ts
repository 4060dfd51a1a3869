/** Source texts as syntax trees, for tests that read the project itself. */

/** One node of a tree. */
export type Node = Deno.lint.Node;

/** Parses a source text. */
export function parse(name: string, source: string): Deno.lint.Program {
  let program: Deno.lint.Program | null = null;
  const rule: Deno.lint.Rule = {
    create: () => ({
      Program(node) {
        program = node;
      },
    }),
  };
  Deno.lint.runPlugin({ name: "tree", rules: { tree: rule } }, name, source);
  if (program === null) throw new Error(`Cannot parse ${name}`);
  return program;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "range" in value;
}

/** The nodes right below one. */
export function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  // Their properties are getters of a prototype.
  for (const key in node) {
    if (key === "parent") continue;
    const value: unknown = Reflect.get(node, key);
    if (Array.isArray(value)) children.push(...value.filter(isNode));
    else if (isNode(value)) children.push(value);
  }
  return children;
}

/** Visits a node and all below it. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const child of childrenOf(node)) walk(child, visit);
}

/** Where an offset into a text is: line and column, both from 0. */
export function placeOf(source: string, offset: number): { line: number; character: number } {
  const before = source.slice(0, offset);
  return {
    line: before.split("\n").length - 1,
    character: offset - (before.lastIndexOf("\n") + 1),
  };
}
