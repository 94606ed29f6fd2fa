// The same code as in production: no check for the environment anywhere.
import { amesh } from "@authmesh/sdk";
import express from "express";

const app = express();
app.use(express.json());
app.use(amesh.verify()); // its hosts come from AMESH_AUDIENCE, or from `amesh init --audience`

app.post("/api/data", (req, res) => {
  res.json({ from: req.authMesh.friendlyName, query: req.body.query });
});

const server = app.listen(Number(process.env.PORT ?? 4000), () => {
  console.log(`listening on port ${server.address().port}`);
});
