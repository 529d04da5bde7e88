import type { Results, Run } from "./report.mjs";

export function chart(of: { run: Run; results: Results }): string;
