/** Events of the page that a connection reacts to. */
export interface PageEvents {
  /** The page is visible again, or runs again. */
  wake(): void;
  /** The page is about to be frozen or left, and would not notice that its connections break. */
  sleep(): void;
  /** The page has a network again, or a different one. */
  networkChanged(): void;
}

interface Target {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

export interface PageScope extends Target {
  readonly document?: Target & { readonly visibilityState?: string };
  readonly navigator?: { readonly connection?: Target; readonly onLine?: boolean };
}

/**
 * Watches the page. Does nothing if there is none, as in Node.
 *
 * @returns a function that stops it
 */
export function watchPage(events: PageEvents, scope = globalThis as PageScope): () => void {
  const { document, navigator } = scope;
  if (document === undefined) return () => undefined;
  const wake = () => events.wake();
  const sleep = () => events.sleep();
  const networkChanged = () => events.networkChanged();
  const seen = () => {
    if (document.visibilityState !== "hidden") events.wake();
  };
  const watched: [Target | undefined, string, () => void][] = [
    [scope, "online", networkChanged],
    [navigator?.connection, "change", networkChanged],
    [scope, "pageshow", wake],
    [scope, "pagehide", sleep],
    [document, "visibilitychange", seen],
    [document, "freeze", sleep],
    [document, "resume", wake],
  ];
  for (const [target, type, listener] of watched) target?.addEventListener?.(type, listener);
  return () => {
    for (const [target, type, listener] of watched) target?.removeEventListener?.(type, listener);
  };
}

/** Whether the browser reports that there is no network. */
export function isOffline(scope = globalThis as PageScope): boolean {
  return scope.navigator?.onLine === false;
}
