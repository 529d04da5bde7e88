export interface Dialect {
  readonly takesSeveral: boolean;
  readonly request: (
    channel: string | readonly string[],
    sequence: number,
  ) => { readonly path: string; readonly type: string; readonly body: string };
  readonly isAnswer: (body: string, channels: readonly string[], sequence: number) => boolean;
  readonly delivered: (text: string, channel: string) => number | undefined;
}

export const DIALECTS: Readonly<Record<string, Dialect>>;
