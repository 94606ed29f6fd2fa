// Sends a webhook. Retries sign anew, so that a retry never looks like a replay.
import { amesh } from "@authmesh/sdk";

const url = process.argv[2] ?? "http://localhost:3000/webhooks";
const event = { type: "order.paid", order: 7, at: new Date().toISOString() };

for (let attempt = 1; attempt <= 3; attempt++) {
  const response = await amesh.fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(event),
  });
  console.log(`attempt ${attempt}: ${response.status}`);
  if (response.status < 500) {
    process.exitCode = response.ok ? 0 : 1;
    break;
  }
}
