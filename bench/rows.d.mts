export const ROWS: readonly {
  readonly scenario: string;
  readonly phase: string;
  readonly metric: string;
  readonly chart?: string;
  readonly websocket?: {
    readonly scenario: string;
    readonly phase: string;
    readonly metric: string;
  };
}[];
