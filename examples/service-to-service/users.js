// Service B: keeps the users, answers other services only.
import { amesh } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 4000);
const app = express();
app.use(amesh.verify({ audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` }));

app.get("/internal/users/:id", (req, res) => {
  console.log(`request from ${req.authMesh.friendlyName}`);
  res.json({ id: req.params.id, name: `user ${req.params.id}` });
});

const server = app.listen(port, () => console.log(`listening on port ${server.address().port}`));
