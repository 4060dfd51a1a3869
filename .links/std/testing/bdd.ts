/**
 * `describe` and `it` on top of `Deno.test` and its steps, so that the leak sanitizers stay on. Stands in for `@std/testing/bdd`.
 *
 * @module
 */

/** Body of a test; `this` is the context that hooks filled in. */
export type TestFunction<T> = (this: T, t: Deno.TestContext) => void | Promise<void>;
/** Body of a hook. */
export type HookFunction<T> = (this: T) => void | Promise<void>;

/** Options that `describe` and `it` share. */
export interface Options {
  /** Neither run nor failed. */
  ignore?: boolean;
  /** Only this and its like are run. */
  only?: boolean;
  /** Waits for pending operations. */
  sanitizeOps?: boolean;
  /** Looks for open resources. */
  sanitizeResources?: boolean;
  /** Forbids `Deno.exit`. */
  sanitizeExit?: boolean;
  /** Permissions of the whole top-level suite. */
  permissions?: Deno.PermissionOptions;
}

/** A test with its options in one object. */
export interface ItDefinition<T> extends Options {
  /** What the test shows. */
  name: string;
  /** The test. */
  fn: TestFunction<T>;
}

/** A suite with its options in one object. */
export interface DescribeDefinition extends Options {
  /** What the suite is about. */
  name: string;
  /** Declares the tests of the suite. */
  fn?: () => void;
}

interface Test {
  readonly name: string;
  readonly options: Options;
  readonly fn: TestFunction<Context>;
}

type Context = Record<string, unknown>;
type HookName = "beforeAll" | "beforeEach" | "afterEach" | "afterAll";

interface Suite {
  readonly name: string;
  readonly options: Options;
  readonly children: (Suite | Test)[];
  readonly hooks: Record<HookName, HookFunction<Context>[]>;
}

/** The suite whose body runs now. */
let current: Suite | undefined;

function sanitizers(options: Options): Options {
  const { sanitizeOps, sanitizeResources, sanitizeExit } = options;
  return {
    ...(sanitizeOps === undefined ? {} : { sanitizeOps }),
    ...(sanitizeResources === undefined ? {} : { sanitizeResources }),
    ...(sanitizeExit === undefined ? {} : { sanitizeExit }),
  };
}

function hasOnly(child: Suite | Test): boolean {
  return child.options.only === true || ("children" in child && child.children.some(hasOnly));
}

async function runTest(
  test: Test,
  t: Deno.TestContext,
  suites: readonly Suite[],
  context: Context,
): Promise<void> {
  const [suite, ...inner] = suites;
  if (!suite) return await test.fn.call(context, t);
  for (const hook of suite.hooks.beforeEach) await hook.call(context);
  try {
    await runTest(test, t, inner, context);
  } finally {
    for (const hook of suite.hooks.afterEach) await hook.call(context);
  }
}

async function runSuite(
  suite: Suite,
  t: Deno.TestContext,
  outer: readonly Suite[],
  inherited: Context,
): Promise<void> {
  const context = { ...inherited };
  const suites = [...outer, suite];
  const chosen = suite.children.filter(hasOnly);
  for (const hook of suite.hooks.beforeAll) await hook.call(context);
  try {
    for (const child of suite.children) {
      await t.step({
        name: child.name,
        ignore: child.options.ignore === true || (chosen.length > 0 && !chosen.includes(child)),
        ...sanitizers(child.options),
        fn: (step) =>
          "children" in child
            ? runSuite(child, step, suites, context)
            : runTest(child, step, suites, { ...context }),
      });
    }
  } finally {
    for (const hook of suite.hooks.afterAll) await hook.call(context);
  }
}

function register(child: Suite | Test): void {
  if (current) {
    current.children.push(child);
    return;
  }
  const { ignore = false, permissions } = child.options;
  Deno.test({
    name: child.name,
    ignore,
    only: hasOnly(child),
    ...sanitizers(child.options),
    ...(permissions === undefined ? {} : { permissions }),
    fn: (t) => "children" in child ? runSuite(child, t, [], {}) : runTest(child, t, [], {}),
  });
}

type DescribeArguments =
  | [name: string, fn: () => void]
  | [name: string, options: Options, fn: () => void]
  | [definition: DescribeDefinition];
type ItArguments<T> =
  | [name: string, fn: TestFunction<T>]
  | [name: string, options: Options, fn: TestFunction<T>]
  | [definition: ItDefinition<T>];

function addSuite(args: DescribeArguments, forced: Options): void {
  const [first, second, third] = args;
  const definition = typeof first === "object" ? first : {
    name: first,
    ...(typeof second === "object" ? second : {}),
    fn: typeof second === "function" ? second : third,
  };
  const suite: Suite = {
    name: definition.name,
    options: { ...definition, ...forced },
    children: [],
    hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] },
  };
  const outer = current;
  current = suite;
  try {
    const result: unknown = definition.fn?.();
    if (result instanceof Promise) {
      throw new TypeError(`Cannot describe "${suite.name}" as its function must not be async`);
    }
  } finally {
    current = outer;
  }
  register(suite);
}

function addTest<T>(args: ItArguments<T>, forced: Options): void {
  const [first, second, third] = args;
  const fn = typeof first === "object" ? first.fn : typeof second === "function" ? second : third;
  const name = typeof first === "object" ? first.name : first;
  const options = typeof first === "object" ? first : typeof second === "object" ? second : {};
  if (!fn) throw new TypeError(`Cannot run "${name}" as it has no function`);
  register({ name, options: { ...options, ...forced }, fn: fn as TestFunction<unknown> });
}

function addHook<T>(name: HookName, fn: HookFunction<T>): void {
  if (!current) throw new TypeError(`Cannot call ${name}() outside of describe()`);
  current.hooks[name].push(fn as HookFunction<unknown>);
}

/** The type of {@linkcode describe}. */
export interface Describe {
  /** Declares a suite; its function declares the tests. */
  (...args: DescribeArguments): void;
  /** Declares a suite that is not run. */
  ignore(...args: DescribeArguments): void;
  /** Declares a suite that is not run. */
  skip(...args: DescribeArguments): void;
  /** Declares a suite that is run alone. */
  only(...args: DescribeArguments): void;
}

/** The type of {@linkcode it}. */
export interface It {
  /** Declares a test. */
  <T>(...args: ItArguments<T>): void;
  /** Declares a test that is not run. */
  ignore<T>(...args: ItArguments<T>): void;
  /** Declares a test that is not run. */
  skip<T>(...args: ItArguments<T>): void;
  /** Declares a test that is run alone. */
  only<T>(...args: ItArguments<T>): void;
}

/** Declares a suite of tests. */
export const describe: Describe = Object.assign(
  (...args: DescribeArguments): void => addSuite(args, {}),
  {
    ignore: (...args: DescribeArguments): void => addSuite(args, { ignore: true }),
    skip: (...args: DescribeArguments): void => addSuite(args, { ignore: true }),
    only: (...args: DescribeArguments): void => addSuite(args, { only: true }),
  },
);

/** Declares a test. */
export const it: It = Object.assign(
  <T>(...args: ItArguments<T>): void => addTest(args, {}),
  {
    ignore: <T>(...args: ItArguments<T>): void => addTest(args, { ignore: true }),
    skip: <T>(...args: ItArguments<T>): void => addTest(args, { ignore: true }),
    only: <T>(...args: ItArguments<T>): void => addTest(args, { only: true }),
  },
);

/** Alias of {@linkcode it}. */
export const test: It = it;

/** Runs `fn` once before the tests of the suite. */
export function beforeAll<T>(fn: HookFunction<T>): void {
  addHook("beforeAll", fn);
}
/** Alias of {@linkcode beforeAll}. */
export const before: typeof beforeAll = beforeAll;

/** Runs `fn` once after the tests of the suite. */
export function afterAll<T>(fn: HookFunction<T>): void {
  addHook("afterAll", fn);
}
/** Alias of {@linkcode afterAll}. */
export const after: typeof afterAll = afterAll;

/** Runs `fn` before each test of the suite and of the suites in it. */
export function beforeEach<T>(fn: HookFunction<T>): void {
  addHook("beforeEach", fn);
}

/** Runs `fn` after each test of the suite and of the suites in it, also when the test failed. */
export function afterEach<T>(fn: HookFunction<T>): void {
  addHook("afterEach", fn);
}
