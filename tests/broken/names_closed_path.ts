import type { PathIndex, SchedulerPlugin } from "../../core/plugin.ts";

/** Stays with the first path it saw, also when that is closed. */
export default function namesClosedPath(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "names_closed_path",
    create: () => {
      let mine: PathIndex = 0;
      return {
        pick([first]) {
          mine ||= first?.path ?? 0;
          return { path: mine };
        },
      };
    },
  };
}
