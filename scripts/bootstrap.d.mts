/** The root folder of the checkout. */
export const root: string;

/**
 * Installs and builds what is missing. Ends the process with one line on standard error if it can't.
 *
 * @returns the path of a Chromium if `browser` is set and there is one.
 */
export function ensure(options?: {
  readonly build?: boolean;
  readonly browser?: boolean;
}): Promise<string | undefined>;
