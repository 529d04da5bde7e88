import type { Scenario } from "./report.mjs";

export function scenarios(options: { quick: boolean; maxSockets: number }): Scenario[];
