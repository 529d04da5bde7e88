/** What the generator must know of a running server. */
export interface ServerJob {
  readonly port: number;
  readonly pushPort: number | undefined;
  readonly pid: number;
  readonly dialect: string | undefined;
  readonly collectable: boolean;
}

export interface RunningServer {
  readonly job: ServerJob;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

export const SERVERS: Readonly<Record<string, { readonly missing?: () => string | undefined }>>;

export function startServer(
  name: string,
  options?: { readonly streams?: boolean },
): Promise<RunningServer>;
