import { quoteForeign } from "@authmesh/core";
import type { Environment } from "../folder.js";
import { TpmTrouble } from "./trouble.js";

/** Where a TPM is: a character device, or a socket that takes the same bytes. */
export type TpmAddress =
  | { readonly kind: "device"; readonly path: string }
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "socket"; readonly host: string; readonly port: number };

const forms: readonly [RegExp, (match: RegExpExecArray) => TpmAddress][] = [
  [/^(\/.+)$/, ([, path = ""]) => ({ kind: "device", path })],
  [/^unix:(\/.+)$/, ([, path = ""]) => ({ kind: "socket", path })],
  [
    /^swtpm:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/,
    ([, ipv6, host = "", port]) => ({ kind: "socket", host: ipv6 ?? host, port: Number(port) }),
  ],
];

/**
 * The address in `AMESH_TPM`, default `/dev/tpmrm0`: `/dev/…`, `swtpm:HOST:PORT`, `swtpm:[IPV6]:PORT`, `unix:/PATH`.
 *
 * @throws TpmTrouble
 */
export function tpmAddress(env: Environment): TpmAddress {
  const text = env["AMESH_TPM"] || "/dev/tpmrm0";
  for (const [form, read] of forms) {
    const match = form.exec(text);
    const address = match === null ? undefined : read(match);
    if (address !== undefined && !("port" in address && address.port > 65_535)) return address;
  }
  const fix = "Write /dev/tpmrm0, swtpm:HOST:PORT or unix:/PATH.";
  throw new TpmTrouble("key_store_unavailable", `AMESH_TPM is no address: ${quoteForeign(text)}`, { fix });
}

export const describeAddress = (address: TpmAddress): string =>
  "path" in address ? address.path : `${address.host}:${address.port}`;
