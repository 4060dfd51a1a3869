/** Who owns state: which classes have fields that others may change, and which files change fields of a class in another file. */

import { listFiles } from "./architecture.ts";
import { LanguageServer, type Place } from "./language_server.ts";
import { type Node, parse, placeOf, walk } from "./syntax.ts";

/** A field of a class that may change after construction. */
interface Field {
  /** `Class.field`. */
  readonly name: string;
  /** Name of the class. */
  readonly owner: string;
  /** Whether others than the class can reach it. */
  readonly open: boolean;
  /** Where its name stands in the text. */
  readonly offset: number;
}

/** The name that a member or a parameter is declared by. */
function nameOf(node: Node): string {
  switch (node.type) {
    case "Identifier":
      return node.name;
    case "PrivateIdentifier":
      return `#${node.name}`;
    case "Literal":
      return String(node.value);
    default:
      return "(computed)";
  }
}

/** The fields of one class that may change, those that its constructor's parameters declare included. */
function fieldsOf(
  node: Deno.lint.ClassDeclaration | Deno.lint.ClassExpression,
  source: string,
): Field[] {
  const owner = node.id?.name ?? "(class)";
  const fields: Field[] = [];
  const add = (key: Node, open: boolean): void => {
    fields.push({ name: `${owner}.${nameOf(key)}`, owner, open, offset: key.range[0] });
  };
  for (const member of node.body.body) {
    if (member.type === "PropertyDefinition" || member.type === "AccessorProperty") {
      const hidden = member.key.type === "PrivateIdentifier" || member.accessibility === "private";
      if (!member.readonly) add(member.key, !hidden);
    } else if (member.type === "TSAbstractPropertyDefinition") {
      if (!member.readonly) add(member.key, true);
    } else if (member.type === "MethodDefinition" && member.kind === "constructor") {
      for (const param of member.value.params) {
        if (param.type !== "TSParameterProperty" || param.readonly) continue;
        const { parameter } = param;
        const key = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
        // Deno 2.9 leaves `accessibility` of these undefined.
        add(key, !/^private\b/.test(source.slice(...param.range)));
      }
    }
  }
  return fields;
}

function fieldsIn(program: Node, source: string): Field[] {
  const fields: Field[] = [];
  walk(program, (node) => {
    if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
      fields.push(...fieldsOf(node, source));
    }
  });
  return fields;
}

/** Lists the fields of the classes named, below `core/`, that anyone may change. It is an error when there is no such class. */
export async function openFields(root: URL, classes: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const fields: Field[] = [];
  for (const file of coreFiles(root)) {
    const text = await Deno.readTextFile(new URL(file, root));
    walk(parse(file, text), (node) => {
      if (node.type !== "ClassDeclaration" || !node.id || !classes.includes(node.id.name)) return;
      found.add(node.id.name);
      fields.push(...fieldsOf(node, text));
    });
  }
  const lost = classes.filter((name) => !found.has(name));
  if (lost.length > 0) throw new Error(`Cannot find the class ${lost.join(", ")} in core/`);
  return fields.filter(({ open }) => open).map(({ name }) => name);
}

/** The members that a pattern or an operand assigns to. */
function targetsIn(node: Node | null): Deno.lint.MemberExpression[] {
  switch (node?.type) {
    case "MemberExpression":
      return [node];
    case "ArrayPattern":
      return node.elements.flatMap(targetsIn);
    case "ObjectPattern":
      return node.properties.flatMap(targetsIn);
    case "Property":
      return targetsIn(node.value);
    case "RestElement":
      return targetsIn(node.argument);
    case "AssignmentPattern":
      return targetsIn(node.left);
    case "TSAsExpression":
    case "TSNonNullExpression":
      return targetsIn(node.expression);
    default:
      return [];
  }
}

/** What a node assigns to, or deletes, of an object other than `this`. */
function assignedBy(node: Node): Deno.lint.MemberExpression[] {
  const targets = (() => {
    switch (node.type) {
      case "AssignmentExpression":
        return targetsIn(node.left);
      case "UpdateExpression":
        return targetsIn(node.argument);
      case "UnaryExpression":
        return node.operator === "delete" ? targetsIn(node.argument) : [];
      case "ForOfStatement":
      case "ForInStatement":
        return targetsIn(node.left);
      default:
        return [];
    }
  })();
  return targets.filter(({ object }) => object.type !== "ThisExpression");
}

function coreFiles(root: URL): string[] {
  return listFiles(root, ".ts").filter((file) => file.startsWith("core/"));
}

function keyOf({ file, line, character }: Place): string {
  return `${file}:${line}:${character}`;
}

/**
 * Lists the assignments in `core/` to a field of a class that is declared in another file of it. Types decide, as Deno's language server knows them:
 * members of interfaces are nobody's.
 */
export async function foreignAssignments(root: URL): Promise<string[]> {
  const texts = new Map<string, string>();
  const fields = new Map<string, string>();
  const targets: Place[] = [];
  for (const file of coreFiles(root)) {
    const text = await Deno.readTextFile(new URL(file, root));
    texts.set(file, text);
    const program = parse(file, text);
    for (const { name, offset } of fieldsIn(program, text)) {
      fields.set(keyOf({ file, ...placeOf(text, offset) }), name);
    }
    walk(program, (node) => {
      for (const { property } of assignedBy(node)) {
        targets.push({ file, ...placeOf(text, property.range[0]) });
      }
    });
  }
  const found: string[] = [];
  await using server = await LanguageServer.start(root);
  // All before the first question: each file opened makes it think again.
  for (const [file, text] of texts) {
    if (targets.some((target) => target.file === file)) await server.open(file, text);
  }
  for (const target of targets) {
    for (const place of await server.definitions(target)) {
      const name = fields.get(keyOf(place));
      if (name === undefined || place.file === target.file) continue;
      found.push(`${target.file}:${target.line + 1} assigns ${name} of ${place.file}`);
    }
  }
  return found.sort();
}
