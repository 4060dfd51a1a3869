/** The text of what draws in a browser, loaded by {@link import("./deps.ts").loadChartLibrary}. */

import code from "npm:uplot@1.6.32/dist/uPlot.iife.min.js" with { type: "text" };
import style from "npm:uplot@1.6.32/dist/uPlot.min.css" with { type: "text" };
import licence from "npm:uplot@1.6.32/LICENSE" with { type: "text" };

export { code, licence, style };
