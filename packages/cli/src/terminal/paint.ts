import type { WriteStream } from "node:tty";

const codes = { bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export type Colour = keyof typeof codes;
export type Paint = (colour: Colour, text: string) => string;

/** Colours for a stream that shows them: a terminal, unless NO_COLOR or a dumb one says otherwise. */
export function painter(stream: Pick<WriteStream, "isTTY">, env = process.env): Paint {
  if (!stream.isTTY || env["NO_COLOR"] || env["TERM"] === "dumb") return (_colour, text) => text;
  return (colour, text) => {
    const [on, off] = codes[colour];
    return `\u001b[${on}m${text}\u001b[${off}m`;
  };
}
