/** The caller of the demo: one signed request to the URL it is given. */
import { amesh } from "@authmesh/sdk";

const response = await amesh.fetch(process.argv[2], {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ amount: 100 }),
});
const decision = response.headers.get("authmesh-decision");
console.log(
  JSON.stringify({ event: "answer", status: response.status, decision, body: await response.text() }),
);
