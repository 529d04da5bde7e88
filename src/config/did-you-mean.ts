/** `; did you mean "port"?` if one of the known names resembles the given one, otherwise "". */
export function didYouMean(given: string, known: Iterable<string>, quote = '"'): string {
  let best: string | undefined;
  // A third of the letters may differ, but at least two: short words often have two swapped letters.
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best === undefined ? "" : `; did you mean ${quote}${best}${quote}?`;
}

/** The number of letters to insert, remove or replace (Levenshtein distance). */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, length) => length);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replaced = one[row - 1] === other[column - 1] ? 0 : 1;
      current.push(
        Math.min(
          (previous[column] as number) + 1,
          (current[column - 1] as number) + 1,
          (previous[column - 1] as number) + replaced,
        ),
      );
    }
    previous = current;
  }
  return previous[other.length] as number;
}
