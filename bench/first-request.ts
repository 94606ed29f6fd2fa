/** A program that sends one signed request and ends. Arguments: the folder of its identity, the URL. */
import { createClient } from "@authmesh/sdk";

const [, , dir = "", url = ""] = process.argv;
const client = createClient({ dir });
const response = await client.fetch(url);
await response.text();
await client.close();
