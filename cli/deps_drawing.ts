/** What draws the pictures, loaded by {@link import("./deps.ts").loadDrawing}. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { parseHTML } from "npm:linkedom@0.18.15";

export { Plot };

/** A document to draw in, as there is no browser. The types of linkedom need those of a browser, which this project is checked without. */
export const { document } = parseHTML("<html></html>") as unknown as { document: object };
