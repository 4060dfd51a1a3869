/**
 * Finds the external programs that source texts start. Every `new Deno.Command()` is followed back through the functions that fill it in to the texts at
 * their calls, and on into what a program starts itself: `ip netns exec`, `sh -c`, `timeout` and their like. What cannot be followed is told, so that
 * nothing is missed in silence.
 */

import { commandsOf } from "./shell.ts";
import { type Node, parse, placeOf, walk } from "./syntax.ts";

/** A program, and where the word that names it stands. */
export interface Start {
  readonly program: string;
  readonly file: string;
  readonly line: number;
}

/** What {@linkcode findPrograms} finds, sorted. */
export interface Found {
  readonly starts: readonly Start[];
  /** Places that start something that the text does not tell: "file:line starts …". */
  readonly unreadable: readonly string[];
}

type Function =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

type Call = Deno.lint.CallExpression | Deno.lint.NewExpression;

type Scope = Node | Deno.lint.TSParameterProperty;

/** One source text. */
interface Module {
  readonly file: string;
  readonly text: string;
  readonly program: Deno.lint.Program;
}

/** A function and the text that it stands in. */
interface Callee {
  readonly module: Module;
  readonly node: Function;
}

/** A word of a command line, or a list of them that only the callers know, or nobody. */
type Word =
  | { readonly kind: "text"; readonly texts: readonly string[]; readonly place: string }
  | {
    readonly kind: "parameter";
    readonly callee: Callee;
    readonly index: number;
    readonly list: boolean;
    readonly place: string;
  }
  | { readonly kind: "unknown"; readonly place: string };

/** What a name stands for. */
type Meaning =
  | { readonly kind: "parameter"; readonly callee: Callee; readonly index: number }
  | { readonly kind: "value"; readonly module: Module; readonly node: Node }
  | { readonly kind: "unknown" };

/** Stands in a text for what is not known. */
const HOLE = "\0";
const UNKNOWN: Meaning = { kind: "unknown" };

/** What a shell knows by itself. */
const BUILT_IN = new Set(
  "[ : break cd continue echo exit export false kill printf pwd read return set shift test true ulimit umask unset wait"
    .split(" "),
);
/** Words of a shell in front of a command. */
const BEFORE = new Set(["!", "do", "elif", "else", "if", "then", "time", "until", "while", "{"]);
/** Words of a shell that are a command of their own. */
const ALONE = new Set(["}", "done", "esac", "fi", "for"]);
/** Programs that start what stands behind their options. */
const WRAPPERS = new Set(["env", "nice", "prlimit", "setpriv", "stdbuf", "sudo", "unshare"]);
/** How Python starts programs. */
const PYTHON_STARTS =
  /\b(subprocess|multiprocessing|pty)\b|\bos\.(system|popen|exec\w*|spawn\w*|posix_spawnp?|fork)\b/;

function parentOf(node: Scope): Scope | undefined {
  return node.type !== "Program" && "parent" in node ? node.parent : undefined;
}

function isFunction(node: Scope): node is Function {
  return node.type === "FunctionDeclaration" || node.type === "FunctionExpression" ||
    node.type === "ArrowFunctionExpression";
}

function nameOf(node: Scope | Deno.lint.Parameter | null): string {
  if (node?.type === "Identifier") return node.name;
  return node?.type === "PrivateIdentifier" ? `#${node.name}` : "";
}

/** Whether a pattern declares a name. */
function declares(pattern: Node | Deno.lint.Parameter | null, name: string): boolean {
  switch (pattern?.type) {
    case "Identifier":
      return pattern.name === name;
    case "ArrayPattern":
      return pattern.elements.some((element) => declares(element, name));
    case "ObjectPattern":
      return pattern.properties.some((property) => declares(property, name));
    case "Property":
      return declares(pattern.value, name);
    case "AssignmentPattern":
      return declares(pattern.left, name);
    case "RestElement":
      return declares(pattern.argument, name);
    default:
      return false;
  }
}

/** `Deno.NAME`: the name. */
function memberOfDeno(node: Node): string | null {
  return node.type === "MemberExpression" && nameOf(node.object) === "Deno"
    ? nameOf(node.property)
    : null;
}

/** The value without what only types see. */
function bare(node: Node): Node {
  switch (node.type) {
    case "TSAsExpression":
    case "TSNonNullExpression":
    case "TSSatisfiesExpression":
      return bare(node.expression);
    case "AwaitExpression":
      return bare(node.argument);
    default:
      return node;
  }
}

/** The last name of what is called. */
function calledName({ callee }: Call): string {
  return nameOf(callee.type === "MemberExpression" ? callee.property : callee);
}

/** The name that a function is declared by; that of its class, if it is a constructor. */
function declaredName(node: Function): string {
  if (node.type === "FunctionDeclaration") return nameOf(node.id);
  const { parent } = node;
  if (parent.type === "VariableDeclarator") return nameOf(parent.id);
  if (parent.type !== "MethodDefinition") return "";
  const owner = parent.parent.parent;
  return parent.kind === "constructor" && owner.type === "ClassDeclaration"
    ? nameOf(owner.id)
    : nameOf(parent.key);
}

/** What a function gives: its expression, or that of its one return. */
function resultOf({ body }: Function): Node | null {
  if (body?.type !== "BlockStatement") return body ?? null;
  const returns = body.body.filter((statement) => statement.type === "ReturnStatement");
  return returns.length === 1 ? returns[0]?.argument ?? null : null;
}

class Finder {
  readonly starts = new Map<string, Start>();
  readonly unreadable = new Set<string>();
  readonly #modules: ReadonlyMap<string, Module>;
  readonly #methods = new Map<string, Callee[]>();
  /** Calls by the last name of what is called. */
  readonly #calls = new Map<string, { module: Module; call: Call }[]>();
  /** What imports call a name. */
  readonly #aliases = new Map<string, string[]>();
  readonly #commands: { module: Module; call: Deno.lint.NewExpression }[] = [];

  constructor(modules: ReadonlyMap<string, Module>) {
    this.#modules = modules;
    for (const module of modules.values()) walk(module.program, (node) => this.#note(module, node));
  }

  /** Looks through all of them. */
  find(): void {
    for (const { module, call } of this.#commands) {
      this.#follow(this.#commandOf(module, call), module, call);
    }
  }

  #note(module: Module, node: Node): void {
    switch (node.type) {
      case "MethodDefinition":
        if (isFunction(node.value) && node.kind !== "constructor") {
          const name = nameOf(node.key);
          const callee = { module, node: node.value };
          this.#methods.set(name, [...this.#methods.get(name) ?? [], callee]);
        }
        return;
      case "NewExpression":
      case "CallExpression": {
        if (node.type === "NewExpression" && memberOfDeno(node.callee) === "Command") {
          this.#commands.push({ module, call: node });
        }
        const name = calledName(node);
        const calls = this.#calls.get(name) ?? [];
        this.#calls.set(name, calls);
        calls.push({ module, call: node });
        return;
      }
      case "MemberExpression": {
        const member = memberOfDeno(node) ?? "";
        const made = node.parent.type === "NewExpression" && node.parent.callee === node;
        if (/^(run|spawn\w*)$/.test(member) || member === "Command" && !made) {
          this.#tell(module, node, `something by Deno.${member}`);
        }
        return;
      }
      case "ImportDeclaration":
        if (/^(node:)?child_process$/.test(node.source.value)) {
          this.#tell(module, node, `something by ${node.source.value}`);
        }
        for (const specifier of node.specifiers) {
          if (specifier.type !== "ImportSpecifier") continue;
          const [name, local] = [nameOf(specifier.imported), nameOf(specifier.local)];
          if (name !== local) this.#aliases.set(name, [...this.#aliases.get(name) ?? [], local]);
        }
    }
  }

  /** The calls of a function. */
  #callsOf(callee: Callee): { module: Module; call: Call }[] {
    const key = this.#keyOf(callee);
    const name = declaredName(callee.node);
    return [name, ...this.#aliases.get(name) ?? []]
      .flatMap((called) => this.#calls.get(called) ?? [])
      .filter(({ module, call }) =>
        this.#callees(module, call).some((one) => this.#keyOf(one) === key)
      );
  }

  #place(module: Module, node: Node): string {
    return `${module.file}:${placeOf(module.text, node.range[0]).line + 1}`;
  }

  #tell(module: Module, node: Node, what: string): void {
    this.unreadable.add(`${this.#place(module, node)} starts ${what}`);
  }

  #keyOf({ module, node }: Callee): string {
    return `${module.file}:${node.range.join("-")}`;
  }

  /** The words of a `new Deno.Command()`. */
  #commandOf(module: Module, { arguments: [program, options] }: Call): Word[] {
    const words = program === undefined ? [] : [this.#word(module, program)];
    if (options?.type !== "ObjectExpression") return words;
    for (const property of options.properties) {
      if (property.type === "Property" && nameOf(property.key) === "args") {
        words.push(...this.#list(module, property.value));
      }
    }
    return words;
  }

  /** Reads a command line, and those of the callers where it is theirs to say. */
  #follow(words: readonly Word[], module: Module, node: Node, depth = 0): void {
    if (depth > 12) throw new Error(`Cannot follow ${this.#place(module, node)}: it never ends`);
    const asked = this.#interpret(words);
    const open = words.find((word) => word.kind === "parameter");
    if (open === undefined) return;
    let used = false;
    for (const { module: from, call } of this.#callsOf(open.callee)) {
      const filled = this.#fill(words, open.callee, from, call);
      if (filled === null) continue;
      used = true;
      this.#follow(filled, from, call, depth + 1);
    }
    if (asked && !used) this.#tell(module, node, "what a caller says, and none is to be seen");
  }

  /** Notes the programs of a command line; gives whether one of them is a parameter. */
  #interpret(words: readonly Word[]): boolean {
    const [head, ...rest] = words;
    if (head === undefined) return false;
    if (head.kind === "parameter") return true;
    if (head.kind === "unknown") {
      this.unreadable.add(`${head.place} starts what the text does not tell`);
      return false;
    }
    let asked = false;
    for (const text of head.texts) {
      const program = text.slice(text.lastIndexOf("/") + 1);
      if (program === "" || /[\0$]/.test(program)) {
        this.unreadable.add(`${head.place} starts what the text does not tell`);
        continue;
      }
      const at = head.place.lastIndexOf(":");
      const [file, line] = [head.place.slice(0, at), Number(head.place.slice(at + 1))];
      this.starts.set(`${program} ${head.place}`, { program, file, line });
      if (this.#enter(program, rest)) asked = true;
    }
    return asked;
  }

  /** Reads what a program starts itself. */
  #enter(program: string, rest: readonly Word[]): boolean {
    const is = (index: number, pattern: RegExp): boolean => {
      const word = rest[index];
      return word?.kind === "text" && word.texts.every((text) => pattern.test(text));
    };
    const behindOptions = (from = 0): number => {
      let index = from;
      while (is(index, /^-/)) index++;
      return index;
    };
    const option = rest.findIndex((_, index) => is(index, /^-[a-z]*c$/));
    if (program === "ip" && is(0, /^netns$/) && is(1, /^exec$/)) {
      return this.#interpret(rest.slice(3));
    }
    if (program === "mptcpize" && is(0, /^run$/)) return this.#interpret(rest.slice(1));
    if (program === "timeout") return this.#interpret(rest.slice(behindOptions() + 1));
    if (WRAPPERS.has(program)) return this.#interpret(rest.slice(behindOptions()));
    if (program === "deno") {
      const [lab, dashes] = [/^lab$/, /^--$/].map((word) => rest.findIndex((_, i) => is(i, word)));
      if (lab! >= 0 && dashes! > lab!) return this.#interpret(rest.slice(dashes! + 1));
    }
    if (/^(sh|bash|dash|script)$/.test(program) && option >= 0) {
      return this.#enterShell(rest[option + 1], rest.slice(option + 3));
    }
    const code = rest[option + 1];
    if (/^python/.test(program) && option >= 0 && code?.kind === "text") {
      if (code.texts.some((text) => PYTHON_STARTS.test(text))) {
        this.unreadable.add(`${code.place} starts something by Python`);
      }
    }
    return false;
  }

  #enterShell(script: Word | undefined, args: readonly Word[]): boolean {
    if (script === undefined || script.kind === "parameter") return true;
    if (script.kind === "unknown") {
      this.unreadable.add(`${script.place} starts a script that the text does not tell`);
      return false;
    }
    const { place } = script;
    let asked = false;
    const run = (words: readonly string[]): void => {
      const [first = "", ...others] = words;
      if (/^\w+=/.test(first) || BEFORE.has(first) || first === "exec") return run(others);
      if (ALONE.has(first) || BUILT_IN.has(first)) return;
      if (first === "command" && /^-[vV]$/.test(others[0] ?? "")) return;
      if (first === "trap") {
        for (const command of commandsOf(others[0] ?? "")) run(command);
      } else if (words.length > 0) {
        const given = words.flatMap((text): readonly Word[] =>
          text === "$@" ? args : [{ kind: "text", texts: [text], place }]
        );
        if (this.#interpret(given)) asked = true;
      }
    };
    for (const text of script.texts) commandsOf(text).forEach(run);
    return asked;
  }

  /** Puts the arguments of a call in the place of the parameters; null if it cannot be a call of that function. */
  #fill(words: readonly Word[], callee: Callee, module: Module, call: Call): Word[] | null {
    const key = this.#keyOf(callee);
    const filled: Word[] = [];
    for (const word of words) {
      if (word.kind !== "parameter" || this.#keyOf(word.callee) !== key) {
        filled.push(word);
        continue;
      }
      const param = callee.node.params[word.index];
      const before = call.arguments.slice(0, word.index);
      if (param === undefined || before.some(({ type }) => type === "SpreadElement")) {
        filled.push({ kind: "unknown", place: this.#place(module, call) });
      } else if (param.type === "RestElement") {
        filled.push(...this.#elements(module, call.arguments.slice(word.index)));
      } else {
        const given = call.arguments[word.index];
        const [from, value] = given !== undefined
          ? [module, given]
          : [callee.module, param.type === "AssignmentPattern" ? param.right : null];
        if (value === null) return null;
        filled.push(...word.list ? this.#list(from, value) : [this.#word(from, value)]);
      }
    }
    return filled;
  }

  /** What a name means at a place. */
  #meaning(module: Module, at: Node, name: string): Meaning {
    for (let node: Scope | undefined = at; node !== undefined; node = parentOf(node)) {
      if (isFunction(node)) {
        const index = node.params.findIndex((param) => declares(param, name));
        if (index >= 0) {
          const param = node.params[index];
          const plain = param?.type === "AssignmentPattern" ? param.left : param;
          const rest = plain?.type === "RestElement" ? plain.argument : plain;
          return nameOf(rest ?? null) === name
            ? { kind: "parameter", callee: { module, node }, index }
            : UNKNOWN;
        }
      } else if (node.type === "ForOfStatement" || node.type === "ForInStatement") {
        const { left } = node;
        if (
          left.type === "VariableDeclaration" &&
          left.declarations.some(({ id }) => declares(id, name))
        ) return UNKNOWN;
      } else if (node.type === "BlockStatement" || node.type === "Program") {
        for (const statement of node.body) {
          const meaning = this.#declared(module, statement, name);
          if (meaning !== null) return meaning;
        }
      }
    }
    return UNKNOWN;
  }

  /** What a statement declares a name to be, or null. */
  #declared(module: Module, statement: Node, name: string): Meaning | null {
    switch (statement.type) {
      case "ExportNamedDeclaration":
        return statement.declaration && this.#declared(module, statement.declaration, name);
      case "FunctionDeclaration":
      case "ClassDeclaration":
        return nameOf(statement.id) === name ? { kind: "value", module, node: statement } : null;
      case "VariableDeclaration":
        for (const { id, init } of statement.declarations) {
          if (!declares(id, name)) continue;
          return id.type === "Identifier" && init && statement.kind === "const"
            ? { kind: "value", module, node: bare(init) }
            : UNKNOWN;
        }
        return null;
      case "ImportDeclaration":
        for (const specifier of statement.specifiers) {
          if (specifier.local.name !== name) continue;
          if (specifier.type !== "ImportSpecifier") return UNKNOWN;
          const target = new URL(statement.source.value, `file:///${module.file}`).pathname.slice(
            1,
          );
          const other = this.#modules.get(target);
          return other === undefined
            ? UNKNOWN
            : this.#meaning(other, other.program, nameOf(specifier.imported));
        }
        return null;
      default:
        return null;
    }
  }

  /** The functions that a call may be one of. */
  #callees(module: Module, { type, callee }: Call): Callee[] {
    if (callee.type === "Identifier") {
      const meaning = this.#meaning(module, callee, callee.name);
      if (meaning.kind !== "value") return [];
      const { node, module: owner } = meaning;
      if (type === "CallExpression") return isFunction(node) ? [{ module: owner, node }] : [];
      if (node.type !== "ClassDeclaration") return [];
      for (const member of node.body.body) {
        if (member.type === "MethodDefinition" && member.kind === "constructor") {
          return isFunction(member.value) ? [{ module: owner, node: member.value }] : [];
        }
      }
      return [];
    }
    if (callee.type !== "MemberExpression" || type !== "CallExpression") return [];
    // RegExp.exec().
    const object = callee.object.type === "Identifier"
      ? this.#meaning(module, callee.object, callee.object.name)
      : { kind: "value", node: callee.object } as const;
    if (object.kind === "value" && object.node.type === "Literal" && "regex" in object.node) {
      if (object.node.regex) return [];
    }
    return this.#methods.get(nameOf(callee.property)) ?? [];
  }

  /** The elements of an array or the arguments of a call as words. */
  #elements(module: Module, nodes: readonly (Node | null)[]): Word[] {
    return nodes.flatMap((node) => {
      if (node === null) return [];
      return node.type === "SpreadElement"
        ? this.#list(module, node.argument)
        : [this.#word(module, node)];
    });
  }

  /** The words of a list. */
  #list(module: Module, expression: Node): Word[] {
    const node = bare(expression);
    const unknown: Word = { kind: "unknown", place: this.#place(module, node) };
    if (node.type === "ArrayExpression") return this.#elements(module, node.elements);
    if (node.type === "Identifier") {
      const meaning = this.#meaning(module, node, node.name);
      if (meaning.kind === "value") return this.#list(meaning.module, meaning.node);
      return meaning.kind === "unknown"
        ? [unknown]
        : [{ ...meaning, list: true, place: unknown.place }];
    }
    if (node.type !== "CallExpression") return [unknown];
    const { callee } = node;
    const [first] = node.arguments;
    if (callee.type === "MemberExpression" && nameOf(callee.property) === "map") {
      const each = first && isFunction(first) ? resultOf(first) : null;
      return each === null ? [unknown] : [this.#word(module, each)];
    }
    return this.#result(module, node, true) ?? [unknown];
  }

  /** What a call of a function here gives: a list, or one word. */
  #result(module: Module, call: Deno.lint.CallExpression, list: boolean): Word[] | null {
    if (call.callee.type !== "Identifier") return null;
    const [callee] = this.#callees(module, call);
    const value = callee && resultOf(callee.node);
    if (!callee || !value) return null;
    const words = list ? this.#list(callee.module, value) : [this.#word(callee.module, value)];
    return this.#fill(words, callee, module, call);
  }

  /** One word. */
  #word(module: Module, expression: Node): Word {
    const node = bare(expression);
    const place = this.#place(module, node);
    const unknown: Word = { kind: "unknown", place };
    const text = (...texts: string[]): Word => ({ kind: "text", texts, place });
    /** The texts that an expression may be, with a hole where it is not known. */
    const texts = (part: Node): readonly string[] => {
      const word = this.#word(module, part);
      return word.kind === "text" ? word.texts : [HOLE];
    };
    switch (node.type) {
      case "Literal":
        return text(String(node.value));
      case "TemplateLiteral": {
        let made = "";
        node.quasis.forEach((quasi, i) => {
          const part = node.expressions[i];
          made += (quasi.cooked ?? quasi.raw) + (part === undefined ? "" : texts(part)[0]);
        });
        return text(made);
      }
      case "ConditionalExpression":
        return text(...texts(node.consequent), ...texts(node.alternate));
      case "LogicalExpression":
        return text(...texts(node.left), ...texts(node.right));
      case "Identifier": {
        const meaning = this.#meaning(module, node, node.name);
        if (meaning.kind === "value") return this.#word(meaning.module, meaning.node);
        return meaning.kind === "unknown" ? unknown : { ...meaning, list: false, place };
      }
      case "CallExpression": {
        if (memberOfDeno(node.callee) === "execPath") return text("deno");
        if (node.callee.type === "MemberExpression" && nameOf(node.callee.property) === "join") {
          const words = this.#list(module, node.callee.object);
          const [separator = ","] = node.arguments[0] ? texts(node.arguments[0]) : [];
          const parts = words.map((word) => word.kind === "text" ? word.texts[0] : HOLE);
          return text(parts.join(separator));
        }
        return this.#result(module, node, false)?.[0] ?? unknown;
      }
      default:
        return unknown;
    }
  }
}

/** Finds the programs that TypeScript sources start, given by their paths; text of Python is only asked whether it starts any. */
export function findPrograms(sources: Readonly<Record<string, string>>): Found {
  const modules = new Map<string, Module>();
  const python: string[] = [];
  for (const [file, text] of Object.entries(sources)) {
    if (file.endsWith(".ts")) modules.set(file, { file, text, program: parse(file, text) });
    else if (PYTHON_STARTS.test(text)) python.push(`${file} starts something by Python`);
  }
  const found = new Finder(modules);
  found.find();
  return {
    starts: [...found.starts].sort(([a], [b]) => a < b ? -1 : 1).map(([, start]) => start),
    unreadable: [...found.unreadable, ...python].sort(),
  };
}
