// Opens a WebSocket. Its handshake is signed like any other request.
import { createClient } from "@authmesh/sdk";
import { WebSocket } from "ws";

const url = process.argv[2] ?? "ws://localhost:3000/live";
const client = createClient();
const ws = new WebSocket(url, { headers: await client.headers(url) });

ws.on("open", () => ws.send("hello"));
ws.on("message", (data) => console.log(String(data)));
ws.on("close", (code, reason) => console.log(`closed: ${code} ${reason}`));
ws.on("error", (error) => console.log(error.message));
await client.close();
