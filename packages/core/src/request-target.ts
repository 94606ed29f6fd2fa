import { decodeUtf8 } from "./encoding.js";

const foreignByte = /[^\x21-\x7e]/;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * Says why a raw request target could be read as another path than the one that was signed, or nothing when it
 * cannot (docs/protocol.md, section 2). Scans the text itself: URL parsers differ in what they normalise.
 */
export function targetProblem(target: string): string | undefined {
  if (target.charCodeAt(0) !== 0x2f) return "it does not start with a slash";
  if (target.charCodeAt(1) === 0x2f) return "it starts with two slashes";
  if (foreignByte.test(target)) return "it holds a byte outside of 0x21 to 0x7E";
  if (target.includes("#")) return "it holds a #";
  if (target.includes("\\")) return "it holds a backslash";
  const mark = target.indexOf("?");
  if (dotSegment.test(mark < 0 ? target : target.slice(0, mark))) return "its path has a segment . or ..";
  if (mark >= 0 && !queryIsUtf8(target.slice(mark + 1))) return "its query does not decode to UTF-8";
  return undefined;
}

/** Two parsers replace bytes that are not UTF-8 differently, so that one signed text could mean two queries. */
function queryIsUtf8(query: string): boolean {
  if (!query.includes("%")) return true;
  const bytes = new Uint8Array(query.length);
  let length = 0;
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    const octet = code === 0x25 ? Number.parseInt(query.slice(i + 1, i + 3).padEnd(2, "?"), 16) : Number.NaN;
    const escaped = code === 0x25 && /^%[0-9a-f]{2}/i.test(query.slice(i, i + 3));
    bytes[length++] = escaped ? octet : code;
    if (escaped) i += 2;
  }
  return decodeUtf8(bytes.subarray(0, length)) !== undefined;
}
