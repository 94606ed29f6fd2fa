import { failure, type IncomingRequest, presentedProofs } from "@authmesh/core";
import { actionIs, type RouteRequirement, scopesHeld } from "@authmesh/sdk/guard";
import type { ProofName } from "../config/gateway-config.js";
import type { RouteSettings } from "../config/settings.js";
import { failureAnswer } from "../failure-answer.js";
import { deviceGate, type Outcome, type ProofGate, tokenGate } from "./proof-gates.js";
import { acceptsDevices, type Verifiers } from "./verifiers.js";

/** Decides on the requests of one route. Never rejects. */
export type RouteGate = (request: IncomingRequest) => Promise<Outcome>;

const everybody: Outcome = { admitted: { caller: undefined, watch: () => () => {} } };

/**
 * What a route asks of a request (docs/protocol.md, section 14.3).
 *
 * @throws TypeError for a route that accepts what is not configured
 */
export function routeGate(route: RouteSettings, { devices, tokensOf }: Verifiers): RouteGate {
  if (route.public) return async () => everybody;
  const { accept } = route;
  const requires = requirementOf(route);
  const tokens = accept.has("token") ? tokenGate(tokensOf(route), devices, requires) : undefined;
  const withoutToken = acceptsDevices(route) && devices ? deviceGate(devices, requires) : tokens;
  if (withoutToken === undefined)
    throw new TypeError(`The route ${route.name} accepts no proof that is configured.`);
  return async (request) => {
    const proofs = proofsOf(request);
    const gate = (proofs.includes("token") ? tokens : undefined) ?? withoutToken;
    const foreign = proofs.find((proof) => !accept.has(proof));
    return foreign === undefined ? gate.decide(request) : notAccepted(foreign, accept, gate, request);
  };
}

/** A signature beside a token is the token's (`cnf`), or wrong there. */
function proofsOf(request: IncomingRequest): readonly ProofName[] {
  const proofs = presentedProofs(request);
  return proofs.includes("token") ? proofs.filter((proof) => proof !== "http-signature") : proofs;
}

/** Every one of the scopes, and one of the actions. */
function requirementOf({ scopes, actions }: RouteSettings): RouteRequirement {
  const requirements = [
    ...(scopes.length > 0 ? [scopesHeld(scopes)] : []),
    ...(actions.length > 0 ? [actionIs(actions)] : []),
  ];
  return (caller) => {
    for (const requirement of requirements) {
      const lacking = requirement(caller);
      if (lacking !== undefined) return lacking;
    }
    return undefined;
  };
}

function notAccepted(
  foreign: ProofName,
  accept: RouteSettings["accept"],
  gate: ProofGate,
  request: IncomingRequest,
): Outcome {
  const why = failure(
    "proof_not_accepted",
    `The request is proven by ${said[foreign]}; this route accepts ${[...accept].map((proof) => said[proof]).join(" or ")}.`,
  );
  const { headers, ...answer } = failureAnswer(why, gate.turnAway(why, request));
  const challenge = [...new Set([...accept].map((proof) => challenges[proof]))].join(", ");
  return { refused: why.code, answer: { ...answer, headers: { ...headers, "WWW-Authenticate": challenge } } };
}

const said: Readonly<Record<ProofName, string>> = {
  device: "a device's signature",
  "http-signature": "an HTTP signature",
  token: "a token",
};

const challenges: Readonly<Record<ProofName, string>> = {
  device: "AuthMesh",
  "http-signature": "AuthMesh",
  token: 'OathMesh error="proof_not_accepted"',
};
