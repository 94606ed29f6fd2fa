#!/usr/bin/env node
import { runRelay } from "../dist/index.js";

process.exit(await runRelay(process.argv.slice(2)));
