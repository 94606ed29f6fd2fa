// Calls a service ten times. There is no key on this machine; KMS signs once in five minutes.
import { openKey } from "@authmesh/keystore";
import { AmeshError, createClient } from "@authmesh/sdk";
import { kmsKeyStore } from "./kms-key-store.js";

const url = process.argv[2] ?? "http://localhost:3000/api/orders";

try {
  const keyStore = await kmsKeyStore({ KeyId: process.env.KMS_KEY_ID });
  const client = createClient({ identity: await openKey(keyStore) });
  for (let i = 1; i <= 10; i++) {
    const response = await client.fetch(url, { method: "POST", body: `{"amount":${i}}` });
    console.log(`call ${i}: ${response.status}`);
    if (!response.ok) process.exitCode = 1;
  }
  await client.close();
} catch (error) {
  if (!(error instanceof AmeshError)) throw error;
  console.error(`${error.message} (${error.code})\n${error.fix}`);
  process.exitCode = 1;
}
