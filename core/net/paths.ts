/** The paths of a connection as its application sees them. */

import { facePaths } from "../guard/paths.ts";
import type { Micros, PathContext } from "../plugin.ts";

/** A batch that the application begins. */
export interface Batch {
  /** Stamps the time that verbs see. */
  begin(): Micros;
  /** Sends what they call for. */
  end(): void;
  /** Calls back at `time`; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
}

/** What the connection's path manager sees and does; a change takes effect at once, and `after` needs no living connection. */
export function applicationPaths(context: PathContext, batch: Batch): PathContext {
  const change = <Args extends unknown[]>(verb: (...args: Args) => void) => (...args: Args) => {
    batch.begin();
    verb(...args);
    batch.end();
  };
  return facePaths(context, {
    limitSubflows: change(context.limitSubflows),
    use: change(context.use),
    setBackup: change(context.setBackup),
    announce: change(context.announce),
    withdraw: change(context.withdraw),
    after: (delay, callback) => batch.at(batch.begin() + delay, callback),
  });
}
