/** The server and client of the guide, compiled under `strict` by the lint: if this stops compiling, users' code does. */
import { type AuthMeshIdentity, amesh, type VerifyOptions } from "@authmesh/sdk";
import express from "express";

const app = express();
app.use(express.json());
app.use(amesh.verify());
app.use("/api", amesh.verify({ clockSkewSeconds: 30, nonceWindowSeconds: 60 } satisfies VerifyOptions));

app.post("/api/orders", (req, res) => {
  res.json({ message: "Authenticated!", device: req.authMesh.deviceId, name: req.authMesh.friendlyName });
});

app.get("/internal/users/:id", (req, res) => {
  const identity: AuthMeshIdentity = req.authMesh;
  const verifiedAt: number = identity.verifiedAt;
  res.json({ id: req.params.id, verifiedAt });
});

app.post("/webhooks", amesh.verify(), (req, res) => {
  console.log(`Webhook from ${req.authMesh.friendlyName}`);
  res.sendStatus(200);
});

export async function call(): Promise<unknown> {
  const response = await amesh.fetch("http://localhost:3000/api/orders", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ amount: 100 }),
  });
  return await response.json();
}
