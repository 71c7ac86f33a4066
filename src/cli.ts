#!/usr/bin/env node
import { kvlab } from "./cli/kvlab.ts";
import { runMain } from "./settings/run-main.ts";

await runMain("kvlab", kvlab);
