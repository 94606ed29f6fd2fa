#!/usr/bin/env node
import { runAuthority } from "../dist/index.js";

process.exit(await runAuthority(process.argv.slice(2)));
