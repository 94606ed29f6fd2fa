import { signRequest } from "@authmesh/core";
import type { Device } from "../../packages/authority/test/running-authority.js";
import { audience } from "./launches.js";
import type { Minted } from "./office.js";

/** A request that can be sent as often as one likes. */
export interface Proof {
  /** What may be accepted once: the path of what is signed, or the `jti` of a token. */
  readonly proof: string;
  readonly path: string;
  readonly authorization: string;
  /** Device id. */
  readonly caller: string;
}

let drawn = 0;

/** A request that a device signs. */
export async function signedBy(device: Device): Promise<Proof> {
  const path = `/device/${drawn++}`;
  const authorization = await signRequest(
    { method: "GET", url: new URL(`http://${audience}${path}`) },
    { key: device.key.publicKey.base64, sign: async (message) => device.key.sign(message) },
  );
  return { proof: path, path, authorization, caller: device.id };
}

export const presented = ({ token, jti, caller }: Minted): Proof => ({
  proof: jti,
  path: `/token/${drawn++}`,
  authorization: `OathMesh ${token}`,
  caller: caller.id,
});
