// node sign-with-keychain.js DIR TIMEOUT_MS: signs once, says how that went, and ends as any program does.
import { signableProbe } from "@authmesh/core";
import { KeychainKeyStore } from "@authmesh/keystore";

const [dir, timeoutMs] = process.argv.slice(2);
try {
  await new KeychainKeyStore({ dir, timeoutMs: Number(timeoutMs) }).sign("device", signableProbe());
  console.log("signed");
} catch (error) {
  console.log(`${error.code}: ${error.message}`);
}
