// An API that only paired devices can call.
import { amesh } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 3000);
const app = express();
app.use(express.json());

// Everything under /api needs a proof; the host is the one callers put into their URLs.
app.use("/api", amesh.verify({ audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` }));

app.post("/api/orders", (req, res) => {
  res.json({
    message: "Authenticated!",
    device: req.authMesh.deviceId,
    name: req.authMesh.friendlyName,
    order: req.body,
  });
});

app.get("/health", (_req, res) => {
  res.json({ status: "ok" });
});

app.listen(port, () => console.log(`listening on port ${port}`));
