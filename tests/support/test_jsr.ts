/** Runs the tests on the real `@std` packages: takes the `links` key out of deno.json, tests, and puts the file back whatever happens. */

const config = new URL("../../deno.json", import.meta.url);
const before = await Deno.readTextFile(config);
const { links: _links, ...rest } = JSON.parse(before);
// Ctrl-C ends the tests, which ends this program in the ordinary way.
Deno.addSignalListener("SIGINT", () => {});
try {
  await Deno.writeTextFile(config, JSON.stringify(rest, null, 2));
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", "--no-lock", ...Deno.args],
    cwd: new URL("./", config),
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.writeTextFile(config, before);
}
Deno.exit();
