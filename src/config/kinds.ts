import * as z from "zod";

// What kinds of values there are: how the text of an environment variable is read, and what is
// checked of a value, wherever it comes from.

export function text(schema: z.ZodType) {
  return { schema, read: (value: string) => value };
}

export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return {
    schema: z.number({ error: message }).int(message).min(min, message).max(max, message),
    read: (value: string) => (/^\d{1,12}$/.test(value.trim()) ? Number(value) : value),
  };
}

export function seconds(max: number, min = 0) {
  const message = `must be a number of seconds from ${min} to ${max}`;
  return {
    schema: z.number({ error: message }).min(min, message).max(max, message),
    read: (value: string) => (/^\d{1,9}(\.\d{1,9})?$/.test(value.trim()) ? Number(value) : value),
  };
}

export function list(what: string) {
  const message = `must be one or more ${what}, separated by commas`;
  return {
    schema: z
      .array(z.string({ error: message }).min(1, message), { error: message })
      .min(1, message),
    read: (value: string) => value.split(",").map((entry) => entry.trim()),
  };
}

export function yesOrNo() {
  const message = "must be true or false";
  return {
    schema: z.boolean({ error: message }),
    read: (value: string) => ({ true: true, false: false })[value.trim()] ?? value,
  };
}

export function path() {
  return text(z.string({ error: "must be a path" }).min(1, "must be a path"));
}

export function url() {
  const message = "must be an http or https URL";
  return text(z.url({ protocol: /^https?$/, error: message }));
}

export const API_KEYS_MESSAGE = "must be one or more keys, separated by commas";
export const API_KEY = z.union(
  [
    z.string().min(1, API_KEYS_MESSAGE),
    z.strictObject({
      key: z.string().min(1),
      name: z.string().min(1).optional(),
      channels: z.array(z.string().min(1)).min(1).optional(),
    }),
  ],
  { error: `${API_KEYS_MESSAGE}; in the file also objects with key, name, channels` },
);

export const CHANNEL_RULE = z.strictObject({
  pattern: z.string().min(1),
  join: z.enum(["policy", "anyone", "authenticated", "nobody"]).optional(),
  history: z.strictObject({ size: z.int().min(0), ttl: z.number().min(0) }).optional(),
  subscribersMax: z.int().min(0).optional(),
  dataBytesMax: z.int().min(1).optional(),
});
