import type { Results, Run } from "./report.mjs";

export function resultsPage(of: { run: Run; results: Results; chart: string }): string;
