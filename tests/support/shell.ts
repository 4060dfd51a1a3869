/** Scripts of a shell, as far as the tests of this project have any. */

/** Cuts a script into its simple commands, each a list of words without their quotes. Redirections are left out. */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | null = null;
  /** Where a redirection leads is no word of the command. */
  let redirected = false;
  const endWord = (): void => {
    if (word !== null && !redirected) commands.at(-1)?.push(word);
    if (word !== null) redirected = false;
    word = null;
  };
  const tokens = script.matchAll(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|(#[^\n]*)|(\d*[<>]+&?(?:\d\b)?)|(\$\(|[\n;&|()`])|(\s+)|([^\s'"\\;&|()`<>]+?(?=\$\()|[^\s'"\\;&|()`<>]+)/gs,
  );
  for (const [text, single, double, escaped, comment, redirection, operator, space] of tokens) {
    if (comment !== undefined && word === null) continue;
    if (operator !== undefined) {
      endWord();
      redirected = false;
      commands.push([]);
    } else if (redirection !== undefined) {
      endWord();
      redirected = !redirection.includes("&");
    } else if (space !== undefined) {
      endWord();
    } else {
      word = (word ?? "") + (single ?? double ?? escaped ?? text);
    }
    // What a string in double quotes substitutes is run as well.
    for (const [, inner = ""] of double?.matchAll(/\$\(([^)]*)\)/g) ?? []) {
      commands.unshift(...commandsOf(inner));
    }
  }
  endWord();
  return commands.filter((command) => command.length > 0);
}
