// Calls the API: `node client.js URL` reads orders, `node client.js URL 100` makes one of that amount.
import { amesh } from "@authmesh/sdk";

const [url = "http://localhost:8082", amount] = process.argv.slice(2);
const order = {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ amount: Number(amount) }),
};
const response = await amesh.fetch(`${url}/api/orders`, amount === undefined ? {} : order);
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
