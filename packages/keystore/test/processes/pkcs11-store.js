// node pkcs11-store.js DIR COUNT: signs so often with the key "device" and prints each signature.
import { signableProbe } from "@authmesh/core";
import { Pkcs11KeyStore } from "@authmesh/keystore";

const [dir, count] = process.argv.slice(2);
const store = new Pkcs11KeyStore({ dir });
for (let i = 0; i < Number(count); i++)
  console.log(Buffer.from(await store.sign("device", signableProbe())).toString("hex"));
