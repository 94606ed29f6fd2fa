import { AmeshError } from "@authmesh/core";
import { readHidden } from "./hidden-line.js";
import { interrupted } from "./interrupted.js";
import { LineReader } from "./line-reader.js";

/** Asks people. Where there is nobody to ask, or the answer ends, the answer is an error, never a wait. */
export class Questions {
  /** Whether standard input may be read. */
  readonly mayAsk: boolean;
  readonly #lines = new LineReader(process.stdin);

  constructor(mayAsk: boolean) {
    this.mayAsk = mayAsk;
  }

  /** Whether a person sits there. */
  get interactive(): boolean {
    return this.mayAsk && process.stdin.isTTY === true && process.stderr.isTTY === true;
  }

  /** Asks for yes or no; anything but yes is no. Nobody there is a no, too. */
  async agrees(question: string): Promise<boolean> {
    return this.interactive && (await this.#ask(question)) === true;
  }

  /** Undefined when the input ends in the place of an answer. */
  async #ask(question: string): Promise<boolean | undefined> {
    process.stderr.write(`${question} [y/N] `);
    const answer = await this.#lines.next();
    if (answer !== undefined) return /^\s*y(es)?\s*$/i.test(answer);
    process.stderr.write("\n");
    return undefined;
  }

  /**
   * Goes on only with a yes.
   *
   * @param fix which flag says yes, for when there is nobody to ask
   * @throws AmeshError `input_required` when there is nobody, `declined` for a no and for an interruption
   */
  async require(question: string, fix: string): Promise<void> {
    if (!this.interactive)
      throw new AmeshError("input_required", `There is no terminal to ask on: ${question}`, { fix });
    const answer = await this.#ask(question);
    if (answer === undefined) throw interrupted();
    if (!answer) throw new AmeshError("declined");
  }

  /**
   * A line of text, also from a standard input that is no terminal. Empty lines are no answer: it is asked again.
   *
   * @throws AmeshError `input_required` when there is none
   */
  async line(question: string, fix: string): Promise<string> {
    for (;;) {
      if (this.interactive) process.stderr.write(question);
      const line = this.mayAsk ? await this.#lines.next() : undefined;
      if (line === undefined) throw new AmeshError("input_required", "The input ended.", { fix });
      if (line.trim() !== "") return line;
    }
  }

  /** Asks for a secret, without showing what is typed; undefined where nobody can be asked. */
  get secret(): ((what: string) => Promise<string>) | undefined {
    return this.interactive ? (what) => readHidden(`${what}: `) : undefined;
  }

  /** As `secret`, for one that is being chosen: asked twice, until both answers are the same. */
  get newSecret(): ((what: string) => Promise<string>) | undefined {
    const { secret } = this;
    return secret && ((what) => askTwice(secret, what));
  }
}

async function askTwice(ask: (what: string) => Promise<string>, what: string): Promise<string> {
  for (;;) {
    const answer = await ask(what);
    if (answer === (await ask("The same again"))) return answer;
    process.stderr.write("The two are not the same.\n");
  }
}
