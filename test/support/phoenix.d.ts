// None of the three brings types; what the tests use of them is written down in phoenix-client.ts.

declare module "phoenix" {
  export const Socket: import("./phoenix-client.js").PhoenixModule["Socket"];
}

declare module "phoenix17" {
  export const Socket: import("./phoenix-client.js").PhoenixModule["Socket"];
}
