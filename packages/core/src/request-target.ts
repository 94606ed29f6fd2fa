import { queryProblem } from "./internal/query-problem.js";

const foreignByte = /[^\x21-\x7e]/;
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * Says why a raw request target could be read as another path or query than the one that was signed, or nothing
 * when it cannot (docs/protocol.md, section 2). Scans the text itself: URL parsers differ in what they normalise.
 */
export function targetProblem(target: string): string | undefined {
  if (target.charCodeAt(0) !== 0x2f) return "it does not start with a slash";
  if (target.charCodeAt(1) === 0x2f) return "it starts with two slashes";
  if (foreignByte.test(target)) return "it holds a byte outside of 0x21 to 0x7E";
  if (target.includes("#")) return "it holds a #";
  if (target.includes("\\")) return "it holds a backslash";
  const mark = target.indexOf("?");
  if (dotSegment.test(mark < 0 ? target : target.slice(0, mark))) return "its path has a segment . or ..";
  return mark < 0 ? undefined : queryProblem(target.slice(mark + 1));
}
