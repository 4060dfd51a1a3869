/** Deno's language server as a library: it knows the types of a tree, and where each name is declared. */

/** A place in a file: line and column, both from 0, in UTF-16 units. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly character: number;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Part of what LSP calls a LocationLink. */
interface Link {
  readonly targetUri: string;
  /** Where the name stands. */
  readonly targetSelectionRange: {
    readonly start: { readonly line: number; readonly character: number };
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Cuts a stream into the messages of the base protocol of LSP: headers, an empty line, and as many bytes as they say. */
async function* messages(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  let held = new Uint8Array(0);
  for await (const piece of stream) {
    const joined = new Uint8Array(held.length + piece.length);
    joined.set(held);
    joined.set(piece, held.length);
    held = joined;
    for (;;) {
      // Headers are ASCII and short.
      const text = decoder.decode(held.subarray(0, 200));
      const end = text.indexOf("\r\n\r\n");
      const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1];
      if (end < 0 || length === undefined) break;
      const [from, to] = [end + 4, end + 4 + Number(length)];
      if (held.length < to) break;
      yield JSON.parse(decoder.decode(held.subarray(from, to)));
      held = held.slice(to);
    }
  }
}

/** A language server for the tree below `root`. It ends with `await using`. */
export class LanguageServer implements AsyncDisposable {
  readonly #root: URL;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;

  private constructor(root: URL) {
    this.#root = root;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["lsp"],
      cwd: root,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Starts one. */
  static async start(root: URL): Promise<LanguageServer> {
    const server = new LanguageServer(root);
    await server.#ask("initialize", {
      processId: Deno.pid,
      rootUri: root.href,
      workspaceFolders: [{ uri: root.href, name: "tree" }],
      capabilities: { textDocument: { definition: { linkSupport: true }, diagnostic: {} } },
      initializationOptions: { enable: true },
    });
    await server.#post({ method: "initialized", params: {} });
    return server;
  }

  /** Gives it the text of a file, by its path below the root. */
  async open(file: string, text: string): Promise<void> {
    const uri = new URL(file, this.#root).href;
    const textDocument = { uri, languageId: "typescript", version: 1, text };
    await this.#post({ method: "textDocument/didOpen", params: { textDocument } });
  }

  /** Where the name at a place of an open file is declared: in several places, if its type is a union; files as paths below the root. */
  async definitions({ file, line, character }: Place): Promise<Place[]> {
    const answer = await this.#ask("textDocument/definition", {
      textDocument: { uri: new URL(file, this.#root).href },
      position: { line, character },
    });
    const found: readonly Link[] = Array.isArray(answer) ? answer : [];
    return found.map(({ targetUri: uri, targetSelectionRange: { start } }) => ({
      file: uri.startsWith(this.#root.href) ? uri.slice(this.#root.href.length) : uri,
      line: start.line,
      character: start.character,
    }));
  }

  async #post(message: Record<string, unknown>): Promise<void> {
    const body = encoder.encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    await this.#writer.write(encoder.encode(`Content-Length: ${body.length}\r\n\r\n`));
    await this.#writer.write(body);
  }

  async #ask(method: string, params?: unknown): Promise<unknown> {
    const id = ++this.#asked;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    await this.#post({ id, method, ...(params === undefined ? {} : { params }) });
    return await answer.promise;
  }

  async #read(): Promise<void> {
    for await (const { id, method, result, error } of messages(this.#child.stdout)) {
      // What it tells by itself is of no interest.
      if (id === undefined) continue;
      if (method !== undefined) {
        // What it asks, we leave at its defaults.
        await this.#post({ id, result: null });
        continue;
      }
      const answer = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) answer?.resolve(result);
      else answer?.reject(new Error(`The language server answered: ${error.message}`));
    }
    const ended = new Error("The language server ended early");
    for (const answer of this.#waiting.values()) answer.reject(ended);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask("shutdown");
    await this.#post({ method: "exit" });
    await this.#writer.close();
    await this.#reading;
    await this.#child.status;
  }
}
