/** The version that results carry: that of deno.json. */
export const VERSION = "0.1.0";
