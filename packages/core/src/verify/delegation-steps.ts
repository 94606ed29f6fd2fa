import { failure, quoteForeign } from "../errors.js";
import type { Step } from "./context.js";

/** Reads the delegation, if the request brings one; later steps then take its device for the caller's. */
export const delegationRead: Step = {
  name: "delegation form",
  run(context, { delegations }) {
    const values = context.request.headers("authmesh-delegation");
    if (values.length === 0) return undefined;
    if (values.length > 1)
      return failure("malformed_header", "There is more than one AuthMesh-Delegation header.");
    const presented = delegations.read(values[0] as string);
    if ("code" in presented) return presented;
    const { deviceId } = presented.delegation;
    if (context.claimedId !== undefined && context.claimedId !== deviceId)
      return failure(
        "delegation_invalid",
        `The delegation is by ${deviceId}, and keyid names another device.`,
      );
    context.presented = presented;
    context.claimedId = deviceId;
    return undefined;
  },
};

/** Whether the delegation makes the key that signed the request one of the device, here and now. */
export const delegationHolds: Step = {
  name: "delegation",
  run({ presented, claimedKey, device }, { now, clockSkewSeconds, audience, trust, delegations }) {
    if (presented === undefined) return undefined;
    const { sessionKey, issuedAt, expiresAt, audience: hosts } = presented.delegation;
    if (claimedKey !== undefined && sessionKey.base64 !== claimedKey)
      return failure("delegation_invalid", "The delegation is for another key than the one in the header.");
    const seconds = Math.floor(now() / 1000);
    if (seconds >= expiresAt)
      return failure("delegation_invalid", `The delegation ended ${seconds - expiresAt} s ago.`);
    if (issuedAt > seconds + clockSkewSeconds)
      return failure("delegation_invalid", `The delegation begins in ${issuedAt - seconds} s.`);
    // Host is not asked, as it is for want of an audience in other places: who stole a session key writes it.
    const configured = audience.length > 0 ? audience : trust.audience;
    if (hosts !== undefined && !hosts.some((host) => configured.includes(host)))
      return failure(
        "delegation_invalid",
        `The delegation is for ${quoteForeign(hosts.join(", "))}; this server's audience is ${configured.join(", ") || "not set"}.`,
      );
    return delegations.isSignedBy(presented, device.publicKey)
      ? undefined
      : failure("delegation_invalid", "The delegation's signature, or its session key's, does not fit.");
  },
};
