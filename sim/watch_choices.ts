/** Tells of each answer of a scheduler: which path it chose, that it waits, that it repeats. */

import type { Choice, ConnectionView, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { withCreate } from "./with_create.ts";

/** One answer. */
export interface ChoiceSeen {
  /** Paths that were chosen; none: to wait. */
  readonly paths: readonly SubflowView[];
  /** It was for data that others carry already. */
  readonly repeats: boolean;
}

/** Has `after` see what each call of a method gives. */
function spy(
  made: object,
  name: string,
  after: (args: readonly unknown[], given: unknown) => void,
) {
  const method: unknown = (made as Record<string, unknown>)[name];
  if (typeof method !== "function" || !Object.isExtensible(made)) return;
  Object.defineProperty(made, name, {
    configurable: true,
    writable: true,
    value: function (this: unknown, ...args: unknown[]) {
      const given: unknown = Reflect.apply(method, this, args);
      after(args, given);
      return given;
    },
  });
}

/** `plugin`, of which `tell` hears each answer; what it decides stays as it is. What is no scheduler stays what it is, to be refused where that is done. */
export function watchChoices(
  plugin: SchedulerPlugin,
  tell: (connection: ConnectionView, choice: ChoiceSeen) => void,
): SchedulerPlugin {
  if (typeof plugin?.create !== "function") return plugin;
  return withCreate(plugin, (connection: ConnectionView) => {
    const made: unknown = plugin.create(connection);
    if (typeof made !== "object" || made === null) return made;
    spy(made, "pick", (args, given) => {
      const { sentOn } = args[1] as { sentOn: readonly SubflowView[] };
      const answers = given === null || given === undefined
        ? []
        : [given as Exclude<Choice, null>].flat();
      const chosen = new Set(answers.map((answer) => answer?.path));
      const paths = connection.subflows.filter(({ path }) => chosen.has(path));
      // An answer that names no path is a fault, and is reported as one.
      if (answers.length > 0 && paths.length === 0) return;
      tell(connection, { paths, repeats: sentOn.length > 0 });
    });
    spy(made, "repeat", (args, given) => {
      if (given === true) tell(connection, { paths: [args[0] as SubflowView], repeats: true });
    });
    return made;
  });
}
