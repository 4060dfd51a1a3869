/** The editor of a plugin. */

import { javascript } from "@codemirror/lang-javascript";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import type { Fault } from "./run.ts";

/** Colours of the style sheet, so that light and dark follow it. */
const THEME = EditorView.theme({
  "&": { backgroundColor: "var(--panel)", color: "var(--text)", height: "100%" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--soft)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--active)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection) !important",
  },
  ".cm-scroller": { fontFamily: "ui-monospace, monospace", fontSize: "13px" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--back)", color: "var(--text)" },
  ".cm-matchingBracket": { backgroundColor: "var(--selection) !important" },
});
const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--keyword)" },
  { tag: [tags.string, tags.regexp], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.className], color: "var(--type)" },
]);

/** An editor. */
export class Editor {
  readonly #view: EditorView;

  /** @param parent Where it goes. @param run The visitor wants the text run. @param edited It was changed. */
  constructor(parent: HTMLElement, run: () => void, edited: () => void) {
    this.#view = new EditorView({
      parent,
      state: EditorState.create({
        extensions: [
          keymap.of([{
            key: "Mod-Enter",
            run: () => {
              run();
              return true;
            },
          }]),
          basicSetup,
          javascript({ typescript: true }),
          lintGutter(),
          THEME,
          syntaxHighlighting(COLOURS),
          EditorView.contentAttributes.of({ "aria-label": "Text of the plugin" }),
          EditorView.updateListener.of(({ docChanged }) => {
            if (docChanged) edited();
          }),
        ],
      }),
    });
  }

  /** The text. */
  get code(): string {
    return this.#view.state.doc.toString();
  }

  set code(text: string) {
    const { state } = this.#view;
    this.#view.dispatch({ changes: { from: 0, to: state.doc.length, insert: text } });
  }

  /** Marks what is wrong, at its line. */
  mark(faults: readonly Fault[]): void {
    const { state } = this.#view;
    const marks = faults.map(({ text, line }) => {
      const { from, to } = state.doc.line(Math.max(1, Math.min(state.doc.lines, line ?? 1)));
      return { from, to, severity: "error" as const, message: text };
    });
    this.#view.dispatch(setDiagnostics(state, marks));
  }

  /** Shows a line. */
  goTo(line: number): void {
    const { doc } = this.#view.state;
    const { from } = doc.line(Math.max(1, Math.min(doc.lines, line)));
    this.#view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
    this.#view.focus();
  }
}
