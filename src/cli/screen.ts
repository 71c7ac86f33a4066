import process from "node:process";
import { print } from "../settings/run-main.ts";

/** Shows a text again and again: on a terminal in the place of the last one, otherwise below it. */
export class Screen {
  readonly #isTerminal: boolean;
  /** Lines of the text that is to be replaced. */
  #lines = 0;

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  /** Shows a line that stays, in place of the text. */
  async keep(line: string): Promise<void> {
    await this.show(line);
    this.#lines = 0;
  }

  async show(text: string): Promise<void> {
    if (!this.#isTerminal) return await print(`${text}\n`);
    // Up to the first line of the last text, and clear everything below (ECMA-48: CUU, ED).
    const back = this.#lines > 0 ? `\u001b[${this.#lines}A\r\u001b[J` : "";
    // A text longer than the terminal would scroll, and could not be replaced.
    const lines = text.split("\n").slice(0, Math.max(1, (process.stdout.rows || 24) - 1));
    this.#lines = lines.length;
    await print(`${back}${lines.join("\n")}\n`);
  }
}
