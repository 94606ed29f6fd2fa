import type { AmeshError, ErrorCode, Failure, IncomingRequest } from "@authmesh/core";
import {
  problemResponse,
  type RequestGuard,
  type RouteRequirement,
  refusalResponse,
  scopesOf,
  type TokenGuard,
} from "@authmesh/sdk/guard";
import type { Admitted, Answer } from "./admission.js";
import { callerOfDevice, callerOfToken } from "./verified-caller.js";

/** What became of a request. */
export type Outcome =
  | { readonly admitted: Admitted; readonly refused?: never }
  | { readonly admitted?: never; readonly refused: ErrorCode; readonly answer: Answer };

/** Decides on requests of one route that bear one kind of proof. */
export interface ProofGate {
  /** Never rejects. */
  decide(request: IncomingRequest): Promise<Outcome>;
  /** Takes down that a request was refused before anything of it was verified. @returns the id of that decision */
  turnAway(why: Failure, request: IncomingRequest): string;
}

/** Lets in devices, by the AuthMesh header or by an HTTP signature. */
export function deviceGate(guard: RequestGuard, requires: RouteRequirement): ProofGate {
  return {
    async decide(request) {
      const decision = await guard.decide(request);
      if (!decision.allowed) return refused(decision.failure, refusalResponse(decision));
      const { id, scopes } = decision.caller;
      const lacking = requires({ scopes: scopesOf(scopes) });
      if (lacking !== undefined)
        return refused(lacking, refusalResponse(guard.refuse(decision, lacking, request)));
      const watch: Admitted["watch"] = (lost) => guard.watch(id, lost, requires);
      return { admitted: { caller: callerOfDevice(decision), watch } };
    },
    turnAway: (why, request) => guard.turnAway(why, request).id,
  };
}

/**
 * Lets in whoever has a good token.
 *
 * @param devices by which the device that proved `cnf` is known
 */
export function tokenGate(
  guard: TokenGuard,
  devices: Pick<RequestGuard, "known" | "watch"> | undefined,
  requires: RouteRequirement,
): ProofGate {
  return {
    async decide(request) {
      const decision = await guard.decide(request);
      if (!decision.allowed) return refused(decision.failure, problemResponse(decision));
      const lacking = requires(decision.caller);
      if (lacking !== undefined)
        return refused(lacking, problemResponse(guard.refuse(decision, lacking, request)));
      const holder = decision.holder && devices?.known(decision.holder.deviceId);
      const watch: Admitted["watch"] = (lost) => {
        const stops = [guard.watch(decision, once)];
        const stop = () => {
          for (const each of stops.splice(0)) each();
        };
        function once(reason: AmeshError): void {
          stop();
          lost(reason);
        }
        if (holder !== undefined && devices !== undefined) stops.push(devices.watch(holder.deviceId, once));
        return stop;
      };
      return { admitted: { caller: callerOfToken(decision, holder), watch } };
    },
    turnAway: (why, request) => guard.turnAway(why, request).id,
  };
}

const refused = ({ code }: Failure, answer: Answer): Outcome => ({ refused: code, answer });
