// Calls the API with tokens that it obtains from the authority by this machine's own key.
import { createClient } from "@authmesh/sdk";

const [url = "http://localhost:8081", action = "orders.write"] = process.argv.slice(2);
const client = createClient({
  token: {
    authority: process.env.AMESH_ISSUER ?? "http://localhost:4000",
    audience: "orders",
    action,
    // Each token is good with a signature by this machine's key alone, and serves until shortly before it expires.
    proof: true,
  },
});
const response = await client.fetch(`${url}/api/orders`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ amount: 100 }),
});
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
await client.close();
