import { decodeUtf8 } from "../encoding.js";

/** Query parsers stop counting, and reading, at a thousand parameters; some count empty ones too. */
const mostPieces = 256;
const strayPercent = /%(?![0-9a-f]{2})/i;

/**
 * Says why a query could be read as another one than was signed. What is signed has its parameters sorted and
 * written anew, so whatever a parser reads differently before and after that is refused here.
 */
export function queryProblem(query: string): string | undefined {
  if (strayPercent.test(query)) return "its query holds a % without two hexadecimal digits";
  if (!isUtf8(query)) return "its query does not decode to UTF-8";
  const pieces = query.split("&");
  if (pieces.length > mostPieces) return `its query has more than ${mostPieces} parameters`;
  // Parsers that know nested parameters split "f=[a]=b" at the second sign of equality.
  if (pieces.some((piece) => piece.includes("]=") && piece.indexOf("=") !== piece.indexOf("]=") + 1)) {
    return 'a value in its query holds a bare "]="';
  }
  // They also join "to" and "to[]" in the order in which they come.
  if (/\[|%5b/i.test(query) && !isSorted(query))
    return "its query has names with brackets and is not sorted by name";
  return undefined;
}

function isSorted(query: string): boolean {
  const names = [...new URLSearchParams(`&${query}`).keys()];
  return names.every((name, i) => i === 0 || (names[i - 1] as string) <= name);
}

/** Two parsers replace bytes that are not UTF-8 differently, so that one signed text could mean two queries. */
function isUtf8(query: string): boolean {
  if (!query.includes("%")) return true;
  const bytes = new Uint8Array(query.length);
  let length = 0;
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    bytes[length++] = code === 0x25 ? Number.parseInt(query.slice(i + 1, i + 3), 16) : code;
    if (code === 0x25) i += 2;
  }
  return decodeUtf8(bytes.subarray(0, length)) !== undefined;
}
