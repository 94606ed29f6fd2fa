import { AmeshError, lookUp, quoteForeign } from "@authmesh/core";
import type { TokenAllowed, TokenDecision, TokenRefused } from "@authmesh/oath";
import type { Call } from "../call.js";
import { reportFailure } from "../failure-report.js";
import { done } from "../layout.js";
import { unixSeconds } from "../time.js";
import { timeInWords } from "./inspect.js";
import { formatSteps, stepRows } from "./step-table.js";

/** What only a service knows, by the step that asks for it: here that step lets everything pass. */
const onlyThere = {
  revocation: "whether the issuer revoked it",
  replay: "whether it was used before",
  policy: "what a policy says",
} as const;

/** Says what was decided on a token. @returns the exit status */
export function reportDecision(decision: TokenDecision, call: Call): number {
  const asked = call.has("policy") ? ["policy"] : [];
  const notAsked = Object.keys(onlyThere).filter((step) => !asked.includes(step));
  return decision.allowed ? accept(decision, notAsked, call) : refuse(decision, notAsked, call);
}

function accept(decision: TokenAllowed, notAsked: readonly string[], call: Call): number {
  const { claims, caller } = decision;
  const { terminal } = call;
  const { sub, act, aud, exp } = claims;
  const rule = caller.rule ?? null;
  const steps = stepRows(decision, notAsked);
  terminal.answer({ accepted: true, claims, verified: true, rule, notAsked, steps }, () => {
    const by = rule === null ? "" : `, by the rule ${quoteForeign(rule)}`;
    const verdict = `Accepted: ${sub} for ${act} at ${aud}${by}; ${timeInWords("exp", exp, unixSeconds())}.`;
    const table = call.flag("explain") ? `${formatSteps(steps, undefined, terminal)}\n\n` : "";
    return table + done(verdict);
  });
  if (!terminal.json) terminal.note(`Not asked here: ${notAsked.map(inWords).join("; ")}.`);
  return 0;
}

const inWords = (step: string): string => onlyThere[step as keyof typeof onlyThere];

function refuse(decision: TokenRefused, notAsked: readonly string[], call: Call): number {
  const { failure, claimed } = decision;
  const { terminal } = call;
  const { code, step, detail } = failure;
  const fix = fixHere(decision, call);
  const steps = stepRows(decision, notAsked);
  const { claims = null, verified = false } = claimed ?? {};
  const document = {
    accepted: false,
    error: { code, detail, fix, step },
    claims,
    verified,
    notAsked,
    steps,
  };
  if (terminal.json || call.flag("explain"))
    terminal.answer(document, () => formatSteps(steps, { detail, fix }, terminal));
  if (terminal.json) return lookUp(code)?.exit ?? 1;
  return reportFailure(new AmeshError(code, `Step ${step}: ${detail}`, { fix }), terminal);
}

/** The catalogue's words are for whoever sends a request. */
function fixHere({ failure, claimed }: TokenRefused, call: Call): string {
  if (failure.code === "issuer_untrusted")
    return "Name the issuer as the service does: --issuer URL, letter by letter as in iss.";
  if (failure.code !== "binding_mismatch") return failure.fix;
  if (claimed?.claims.cnf !== undefined)
    return "Only the service sees the signature of the token's holder; up to this step the token is good.";
  return call.has("url")
    ? failure.fix
    : "Give the request: --url, and --method, --body and --content-type as they are sent.";
}
