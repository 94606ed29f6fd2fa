import { type Paint, painter } from "./paint.js";
import { Questions } from "./questions.js";

export interface TerminalOptions {
  /** Answers are JSON. */
  readonly json: boolean;
  /** Whether people may be asked; they are only if there is somebody. */
  readonly mayAsk: boolean;
}

/** After so long a silence people wonder, in milliseconds. */
const patience = 1000;

/**
 * Where a verb speaks: what was asked for goes to standard output; questions, progress, warnings and errors go to
 * standard error.
 */
export class Terminal {
  readonly json: boolean;
  readonly questions: Questions;
  /** Colours for standard output. */
  readonly paint: Paint = painter(process.stdout);

  constructor({ json, mayAsk }: TerminalOptions) {
    this.json = json;
    this.questions = new Questions(mayAsk);
  }

  /** The answer: a document under --json, text otherwise. */
  answer(document: Readonly<Record<string, unknown>>, text: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify({ schema: 1, ...document }) : text()}\n`);
  }

  /** One of several answers: a line of JSON under --json, text otherwise; empty text is nothing. */
  report(event: object, text: string): void {
    if (this.json) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (text !== "") process.stdout.write(`${text}\n`);
  }

  /** Something beside the answer. */
  note(message: string): void {
    process.stderr.write(`${message}\n`);
  }

  warn(message: string): void {
    process.stderr.write(`amesh: warning: ${message}\n`);
  }

  /** The command that comes after a success. */
  next(message: string): void {
    if (!this.json) process.stderr.write(`Next: ${message}\n`);
  }

  /** Tells people what is being waited for, should it take longer than a second. */
  async during<T>(what: string, work: Promise<T>): Promise<T> {
    const announce = () => process.stderr.write(`${what}…\n`);
    const timer = process.stderr.isTTY ? setTimeout(announce, patience) : undefined;
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }
}
