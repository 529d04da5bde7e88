/** One figure of a phase: a number, or absent. */
export type Phases = Record<string, Record<string, number>>;

export interface ServerRun {
  readonly server: string;
  readonly scenario: string;
  readonly round: number;
  readonly phases: Phases;
}

export interface Scenario {
  readonly name: string;
  readonly phases?: readonly { readonly name: string }[];
  readonly [field: string]: unknown;
}

export interface About {
  readonly date: string;
  readonly commit: string | undefined;
  readonly cpu: string;
  readonly cores: number;
  readonly virtual: boolean;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly rounds: number;
  readonly quick: boolean;
  readonly pinned: { readonly server: number; readonly generator: number } | undefined;
  readonly maxSockets: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface Run {
  readonly about: About;
  readonly scenarios: readonly Scenario[];
  readonly servers: readonly string[];
  readonly runs: readonly ServerRun[];
  readonly failures: readonly string[];
}

export interface Figure {
  readonly scenario: string;
  readonly phase: string;
  readonly metric: string;
  readonly round?: number;
}

export class Results {
  constructor(runs?: readonly ServerRun[]);
  add(run: ServerRun): void;
  median(server: string, figure: Figure): number | undefined;
  ratio(server: string, other: string, figure: Figure, otherFigure?: Figure): number | undefined;
}

export interface Shown {
  readonly results: Results;
  readonly scenarios: readonly Scenario[];
  readonly servers: readonly string[];
}

export function medianOf(figures: readonly number[]): number;
export function mainRows(shown: Shown): string[][];
export function streamRows(shown: Shown): string[][];
export function generatorRows(shown: Shown): string[][];
export function disturbance(results: Results): string;
export function reached(results: Results): { ok: boolean; text: string; figure: string }[];
export function table(rows: readonly string[][]): string;
