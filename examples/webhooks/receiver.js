// Receives webhooks. One route is protected, the rest of the application stays as it was.
import { amesh } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 3000);
const audience = process.env.AMESH_AUDIENCE ?? `localhost:${port}`;
const app = express();

// No body parser is needed: behind verify(), `req.body` is parsed and `req.rawBody` holds the bytes that were signed.
app.post("/webhooks", amesh.verify({ audience }), (req, res) => {
  console.log(`webhook from ${req.authMesh.friendlyName}: ${req.body.type}`);
  res.sendStatus(200);
});

const server = app.listen(port, () => console.log(`listening on port ${server.address().port}`));
