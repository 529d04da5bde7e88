type Jose = typeof import("jose");

let loading: Promise<Jose> | undefined;

/**
 * jose, loaded once a policy is made that needs it: most servers have none, and their start need
 * not wait for its many files.
 */
export function jose(): Promise<Jose> {
  loading ??= import("jose");
  return loading;
}
