import { interrupted } from "./interrupted.js";

/**
 * Reads a line from the terminal without showing what is typed.
 *
 * @throws AmeshError `declined` when it is interrupted
 */
export async function readHidden(question: string): Promise<string> {
  const { stdin, stderr } = process;
  // First of all, or what is typed right away is still shown.
  stdin.setRawMode(true);
  stderr.write(question);
  let typed = "";
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const character of String(chunk)) {
        if (character === "\r" || character === "\n") return typed;
        if (character === "\u0003" || character === "\u0004") throw interrupted();
        typed = character === "\u007f" ? typed.slice(0, -1) : typed + character;
      }
    }
    throw interrupted();
  } finally {
    stdin.setRawMode(false);
    stderr.write("\n");
  }
}
