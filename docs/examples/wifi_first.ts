/** An example of a path manager. */

import type { PathManagerPlugin } from "../../core/plugin.ts";

export const defaults = { spare: "cellular" };

/** Everything on the first path; `spare` joins as backup when that goes stale, and leaves 10 s after it came back. */
export default function wifiFirst({ spare = defaults.spare } = {}): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "wifi_first",
    create: ({ role, locals, remotes, index, use, setBackup, after }) => {
      let cancel = () => {};
      const join = (): void => {
        const local = locals.find((address) => address.link === spare);
        const remote = remotes.find((address) => address.family === local?.family);
        if (!local || !remote) return;
        const path = index({ local, remote });
        setBackup(path, true);
        use([1, path]);
      };
      return {
        onEvent(event) {
          if (role === "server" || event.type !== "subflow" || event.path !== 1) return;
          cancel();
          if (event.change === "stale" || event.change === "left") join();
          else if (event.change === "revived") cancel = after(10e6, () => use([1]));
        },
      };
    },
  };
}
