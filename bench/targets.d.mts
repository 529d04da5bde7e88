import type { Figure } from "./report.mjs";

export const TARGETS: readonly {
  readonly text: string;
  readonly row: Figure;
  readonly over?: Figure;
  readonly server?: string;
  readonly of?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}[];
