import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Environment } from "../folder.js";
import { Trouble } from "../internal/trouble.js";
import { assertTrustedFile } from "../internal/trusted-executable.js";

const folder = fileURLToPath(new URL("../../secure-enclave", import.meta.url));
const built = join(folder, "build", "amesh-secure-enclave");

export const buildAndSign = `On a Mac, run \`${join(folder, "build.sh")} IDENTITY\` with the name of your code signing identity.`;

const onAMac = "Use the Mac that made the key; for a new one choose another --backend.";

/**
 * The program that speaks to the Secure Enclave: `AMESH_SECURE_ENCLAVE_HELPER`, else where build.sh puts it.
 *
 * @throws Trouble `key_store_unavailable`, also when somebody else could change it
 */
export function helperPath(env: Environment, platform: NodeJS.Platform): string {
  const named = env["AMESH_SECURE_ENCLAVE_HELPER"];
  if (named) return assertTrustedFile(named, "Check AMESH_SECURE_ENCLAVE_HELPER, the path of the helper.");
  if (platform !== "darwin") throw new Trouble("key_store_unavailable", "needs macOS", { fix: onAMac });
  if (existsSync(built)) return assertTrustedFile(built, buildAndSign);
  const reason = `the helper is not built, see ${join(folder, "README.md")}`;
  throw new Trouble("key_store_unavailable", reason, { fix: buildAndSign });
}
