// What the host calls: one list of commands after the other. The records are described in src/commands/layout.ts.

import { queryTiles } from './attention';
import * as command from './commands';
import { awaitList, listEntry, listNumber, rise, settle, toNext } from './lists';
import { panelRows, panelsOf, twelves } from './matrix-product';
import { Q } from './ssd-chunk';
import { shareOut } from './threads';

// A function with one caller would become part of it, and its loop would lose registers to what lies around it; an exported one stays apart.
export { tile3x12, tile8 } from './tile';
export { fourDots } from './vector-product';

/** Runs all lists up to number `until` with the followers; returns once they are done and no thread reads them any more. */
export function lead(until: u32, threads: u32): void {
  while (listNumber() != until) walk(0, threads);
  settle(threads);
}

/** Takes part in all lists that come, until one is named that is none. */
export function follow(thread: u32, threads: u32): void {
  rise(thread);
  for (;;) {
    awaitList(thread);
    if (load<u32>(listEntry()) == 0) return;
    walk(thread, threads);
  }
}

/** This thread's part in its list. */
function walk(thread: u32, threads: u32): void {
  let at: usize = load<u32>(listEntry());
  const end = at + (<usize>load<u32>(listEntry(), 4) << 2);
  while (at < end) {
    const header = load<u32>(at);
    share(header & 0xff, at, thread, threads);
    at += (header >> 8) << 2;
  }
  toNext(thread);
}

/** Multiply-adds, or numbers moved, that are worth handing to another thread: about a microsecond's. */
const GRAIN: u32 = 8192;

/** How many units of `each` multiply-adds make a piece. */
@inline
function grain(each: u32): u32 {
  return GRAIN / max<u32>(each, 1) + 1;
}

/**
 * The parts of a command, one after the other, and the units that each can be cut into. All this depends on the command alone, never on what
 * tensors hold: a thread that walks late must find the same.
 */
function share(operation: u32, at: usize, thread: u32, threads: u32): void {
  switch (operation) {
    case command.ZERO: {
      const c = changetype<command.ZeroCommand>(at);
      return shareOut(operation, at, 0, (c.bytes + 1023) >> 10, grain(256), thread, threads);
    }
    case command.COPY: {
      const c = changetype<command.CopyCommand>(at);
      return shareOut(operation, at, 0, c.count, grain(c.bytes >> 2), thread, threads);
    }
    case command.QUANTISE: {
      const c = changetype<command.QuantiseCommand>(at);
      return shareOut(operation, at, 0, c.m, grain(c.k << 3), thread, threads);
    }
    case command.ARRANGE: {
      const c = changetype<command.ArrangeCommand>(at);
      return shareOut(operation, at, 0, (c.m + 3) >> 2, grain(c.k << 2), thread, threads);
    }
    case command.EMBED: {
      const c = changetype<command.EmbedCommand>(at);
      return shareOut(operation, at, 0, c.count, grain(c.k), thread, threads);
    }
    case command.LINEAR:
      return shareLinear(changetype<command.LinearCommand>(at), thread, threads);
    case command.RMSNORM: {
      const c = changetype<command.RmsNormCommand>(at);
      return shareOut(operation, at, 0, c.count * c.groups, grain((c.d / c.groups) << 2), thread, threads);
    }
    case command.LAYERNORM: {
      const c = changetype<command.LayerNormCommand>(at);
      return shareOut(operation, at, 0, c.count, grain(c.d << 2), thread, threads);
    }
    case command.ELEMENTWISE: {
      const c = changetype<command.ElementwiseCommand>(at);
      return shareOut(operation, at, 0, c.count, grain(c.d << 2), thread, threads);
    }
    case command.LAST: {
      const c = changetype<command.LastCommand>(at);
      return shareOut(operation, at, 0, c.b, grain(c.d), thread, threads);
    }
    case command.CONV: {
      // Pieces are at least four cache lines wide: they are columns of rows.
      const c = changetype<command.ConvCommand>(at);
      return shareOut(operation, at, 0, (c.k + 3) >> 2, max<u32>(16, grain(c.b * c.l * (c.width + 8) * 12)), thread, threads);
    }
    case command.SSD: {
      const c = changetype<command.SsdCommand>(at);
      if (c.products == 0) {
        return shareOut(operation, at, 0, c.b * c.h * ((c.p + 3) >> 2), grain(c.l * c.n * 8), thread, threads);
      }
      shareOut(operation, at, 0, c.b * c.g * ((c.l + Q - 1) / Q), 1, thread, threads);
      return shareOut(operation, at, 1, c.b * c.h, 1, thread, threads);
    }
    case command.SCAN: {
      const c = changetype<command.ScanCommand>(at);
      return shareOut(operation, at, 0, (c.d + 3) >> 2, max<u32>(4, grain(c.b * c.l * c.n * 32)), thread, threads);
    }
    case command.ATTENTION: {
      const c = changetype<command.AttentionCommand>(at);
      shareOut(operation, at, 0, c.b * c.l, grain((c.g * c.p) << 3), thread, threads);
      shareOut(operation, at, 1, queryTiles(c), 1, thread, threads);
      if (c.length != 0) shareOut(operation, at, 2, 1, 1, thread, threads);
      return;
    }
    case command.LOGPROBS: {
      const c = changetype<command.LogProbsCommand>(at);
      return shareOut(operation, at, 0, c.count, grain(c.V << 3), thread, threads);
    }
    case command.OBSERVE: {
      const c = changetype<command.ObserveCommand>(at);
      return shareOut(operation, at, 0, c.b, grain(c.l), thread, threads);
    }
    case command.SAMPLE: {
      const c = changetype<command.SampleCommand>(at);
      return shareOut(operation, at, 0, c.b, 1, thread, threads);
    }
    default:
      unreachable();
  }
}

function shareLinear(c: command.LinearCommand, thread: u32, threads: u32): void {
  const at = changetype<usize>(c);
  if (c.count == 1) {
    if (c.format == command.FORMAT_Q8 || c.format == command.FORMAT_Q4) {
      shareOut(command.LINEAR, at, 0, 1, 1, thread, threads);
    }
    // Weights come from memory, which is quickest in long runs: no piece is shorter than four microseconds' worth.
    return shareOut(command.LINEAR, at, 1, (c.m + 3) >> 2, grain(c.k), thread, threads);
  }
  shareOut(command.LINEAR, at, 0, panelsOf(c.count, c.k) * twelves(c.m), grain(12 * c.k * panelRows(c.count, c.k)), thread, threads);
}
