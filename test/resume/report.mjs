/** Lines that say what a run came to. */
export function report(outcome) {
  const { broker, ledger, pusher, server, seconds, cuts } = outcome;
  const outages = server.outages.map(Math.round).join(", ");
  return [
    `${broker} broker, ${seconds.toFixed(0)} s:`,
    `  ${ledger.messages} messages accepted in ${pusher.pushes} pushes ` +
      `(${pusher.retries} made again, ${pusher.replays} of them already accepted), ` +
      `${ledger.received} received`,
    `  faults on clients' connections: ${faultsOf(outcome.proxy)}`,
    `  faults on the pusher's connections: ${faultsOf(outcome.pushProxy)}`,
    `  slow consumers cut by the server: ${cuts}; streams answered 505: ${ledger.refused}`,
    server.kills === 0 ? "  no SIGKILL" : `  ${server.kills} SIGKILL, down for ${outages} ms`,
    "",
    ...table(outcome).map((line) => `  ${line}`),
    "",
    `  lost ${ledger.missing}, duplicated ${ledger.duplicated}, reordered ${ledger.reordered}, ` +
      `not recovered ${ledger.gaps}, resumes ${ledger.resumes}`,
  ];
}

/** Sentences on what is wrong; none where all is well. */
export function faultsFound({ ledger, failures }) {
  const found = [...failures];
  for (const [name, count] of [
    ["lost", ledger.missing],
    ["duplicated", ledger.duplicated],
    ["reordered", ledger.reordered],
    ["resumes were not whole", ledger.gaps],
  ]) {
    if (count > 0) found.push(`${count} ${name}`);
  }
  // A client that nothing was done to shows nothing.
  const spared = ledger.records.filter(({ breaks }) => breaks === 0).length;
  if (spared > 0) found.push(`${spared} clients were never cut`);
  return found;
}

function faultsOf({ connections, faults }) {
  const counted = [...faults].map(([name, count]) => `${name} ${count}`).join(", ");
  return `${connections} connections; ${counted}`;
}

/** A line for each kind of client. */
function table({ ledger }) {
  const rows = [
    ["clients", "", "broken", "least", "resumes", "received", "lost", "dup.", "reord."],
  ];
  for (const kind of new Set(ledger.records.map((record) => record.kind))) {
    const records = ledger.records.filter((record) => record.kind === kind);
    const sum = (figure) => records.reduce((total, record) => total + figure(record), 0);
    rows.push([
      kind,
      records.length,
      sum(({ breaks }) => breaks),
      Math.min(...records.map(({ breaks }) => breaks)),
      sum(({ resumes }) => resumes),
      sum(({ received }) => received),
      sum((record) => record.missing(ledger.accepted)),
      sum(({ duplicated }) => duplicated),
      sum(({ reordered }) => reordered),
    ]);
  }
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => `${row[column]}`.length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]) : `${cell}`.padStart(widths[column]),
      )
      .join("  "),
  );
}
