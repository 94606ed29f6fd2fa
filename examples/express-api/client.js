// Calls the API. There is no key, token or password in this file, nor in its environment.
import { amesh } from "@authmesh/sdk";

const url = process.argv[2] ?? "http://localhost:3000";
const response = await amesh.fetch(`${url}/api/orders`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ amount: 100 }),
});
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
