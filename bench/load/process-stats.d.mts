export function family(pid: number): number[];
export function cpuNanoseconds(pid: number): number;
