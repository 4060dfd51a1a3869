/** Folders that a build writes anew as a whole. */

/**
 * Sees that what is in a folder may go: that there is none, that it is empty, or that it was built before, as the file `mark` in it tells.
 *
 * @throws {Error} Something else is in it.
 */
export async function checkReplaceable(folder: string, mark: string): Promise<void> {
  const isThere = (path: string): Promise<boolean> =>
    Deno.lstat(path).then(() => true, (error) => {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    });
  if (!await isThere(folder)) return;
  const { isDirectory } = await Deno.lstat(folder);
  if (isDirectory) {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    if (entries.length === 0 || await isThere(`${folder}/${mark}`)) return;
  }
  throw new Error(
    `Cannot build into ${folder} as something is there that was not built, and would go: name a folder that is new or empty`,
  );
}
