// Service A: open to its own callers, and a caller of service B with its own identity.
import { amesh } from "@authmesh/sdk";
import express from "express";

const users = process.env.USERS_URL ?? "http://localhost:4000";
const app = express();

app.get("/orders/:id", async (req, res) => {
  const answer = await amesh.fetch(`${users}/internal/users/123`);
  if (!answer.ok) return res.status(502).json({ error: "users_unavailable", status: answer.status });
  res.json({ order: req.params.id, user: await answer.json() });
});

const server = app.listen(Number(process.env.PORT ?? 4001), () => {
  console.log(`listening on port ${server.address().port}`);
});
