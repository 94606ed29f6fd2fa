import { concatBytes } from "./encoding.js";

/** The body of somebody's answer; undefined when it is longer, and then the rest of it is not waited for. */
export async function readBody(
  { body }: Pick<Response, "body">,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return concatBytes(...chunks);
    length += value.length;
    if (length > maxBytes) {
      reader?.cancel().catch(() => {}); // nobody reads it
      return undefined;
    }
    chunks.push(value);
  }
}
