import type { Broker } from "../../domain/broker.js";
import { isPromise } from "../../domain/maybe-promise.js";
import { parseMessageId } from "../../domain/message-id.js";
import { messageEvent, namedEvent, positionEvent } from "./event-text.js";
import { readStandings } from "./opening.js";
import { pageSize, Replay, type ReplayTarget, type TrackStart } from "./replay.js";
import type { Stream } from "./stream.js";

export interface CatchUpEnds {
  readonly isOpen: () => boolean;
  /** The client cannot be given all: it is to come back, and will hear of a gap. */
  readonly lose: (error?: unknown) => void;
}

/**
 * Tells the client of each channel that cannot be resumed and where the stream begins, sends what it
 * has missed of the others, and lets live messages in behind that.
 */
export function catchUp(
  broker: Pick<Broker, "history" | "position"> | undefined,
  stream: Stream,
  since: string | undefined,
  { isOpen, lose }: CatchUpEnds,
): void {
  // Whoever heard of the stream's opening may have closed it already.
  if (!isOpen()) return;
  const channels = [...stream.channels];
  if (broker === undefined) {
    if (since !== undefined) stream.write(channels.map((channel) => gap(channel)).join(""));
    return;
  }
  const limit = pageSize(channels.length);
  const begin = (standings: readonly TrackStart[]): void => {
    if (!isOpen()) return;
    const opening = openingEvents(standings, since);
    if (opening !== "") stream.write(opening);
    // The messages of a channel without a history come live from the start.
    const kept = standings.filter(({ history }) => history.position !== undefined);
    new Replay(broker, targetOf(stream, isOpen, lose), kept, limit).run();
  };
  const fail = (error: unknown): void => {
    if (isOpen()) lose(error);
  };
  stream.isReplaying = true;
  try {
    const standings = readStandings(broker, channels, since, limit);
    if (isPromise(standings)) standings.then(begin).catch(fail);
    else begin(standings);
  } catch (error) {
    fail(error);
  }
}

function openingEvents(standings: readonly TrackStart[], since: string | undefined): string {
  const gaps = standings.filter(({ history }) => !history.recovered);
  const events = gaps.map(({ channel, history }) => gap(channel, history.position)).join("");
  const isResumed = standings.some(
    ({ history }) => history.recovered && history.position !== undefined,
  );
  const start = since !== undefined && isResumed ? since : lowestPosition(standings);
  return start === undefined ? events : events + positionEvent(start);
}

function gap(channel: string, id?: string): string {
  return namedEvent("gap", { channel, recovered: false, id });
}

/** Read one after the other they may differ: from the lowest one nothing is missed of any. */
function lowestPosition(standings: readonly TrackStart[]): string | undefined {
  let lowest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const { history } of standings) {
    if (history.position === undefined) continue;
    const sequence = parseMessageId(history.position)?.sequence ?? 0;
    if (sequence >= least) continue;
    least = sequence;
    lowest = history.position;
  }
  return lowest;
}

function targetOf(
  stream: Stream,
  isOpen: CatchUpEnds["isOpen"],
  lose: CatchUpEnds["lose"],
): ReplayTarget {
  return {
    get isOpen() {
      return isOpen();
    },
    get hasHeldBack() {
      return stream.hasHeldBack;
    },
    set hasHeldBack(value) {
      stream.hasHeldBack = value;
    },
    writeMessage: (message) => stream.write(messageEvent(message)),
    whenWritable: (next) => stream.whenWritable(next),
    goLive: () => {
      stream.isReplaying = false;
    },
    lose,
  };
}
