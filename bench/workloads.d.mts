import type { Scenario } from "./report.mjs";

export const SSE: string;

export function scenarios(options: { quick: boolean; maxSockets: number }): Scenario[];

/** The scenarios of a run. `only` are names, and SSE with what it is compared with. */
export function selectScenarios(
  all: readonly Scenario[],
  options: { readonly only: readonly string[] | undefined; readonly quick: boolean },
): Scenario[];
