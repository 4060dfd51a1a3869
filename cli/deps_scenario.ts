/** What reads scenario files, loaded by {@link import("./deps.ts").loadScenarioReader}. */

export * as YAML from "npm:yaml@2.8.1";
export { Ajv } from "npm:ajv@8.17.1";
