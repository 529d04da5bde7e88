/** Where the file broker reports what it does. Lines hold no names and no payloads. */
export interface FileBrokerLog {
  error(line: string): void;
  info(line: string): void;
}
