// What the host calls: one list of commands after the other. The records are described in src/commands/layout.ts.

import * as command from './commands';
import { conv } from './conv';
import { copy, elementwise, embed, last, rmsNorm, zero } from './dense';
import { quantise } from './formats';
import { linear } from './linear';
import { logProbs, observe, sample } from './sample';
import { scan } from './scan';
import { ssd } from './ssd';
import { barrier } from './threads';

/** Runs a list of commands: each thread its share of one command after the other, all meeting behind each. */
export function run(at: usize, words: u32, thread: u32, threads: u32): void {
  const end = at + ((<usize>words) << 2);
  while (at < end) {
    const header = load<u32>(at);
    perform(header & 0xff, at, thread, threads);
    barrier(threads);
    at += (header >> 8) << 2;
  }
}

function perform(operation: u32, at: usize, thread: u32, threads: u32): void {
  switch (operation) {
    case command.ZERO:
      return zero(changetype<command.ZeroCommand>(at), thread, threads);
    case command.COPY:
      return copy(changetype<command.CopyCommand>(at), thread, threads);
    case command.QUANTISE:
      return quantise(changetype<command.QuantiseCommand>(at), thread, threads);
    case command.EMBED:
      return embed(changetype<command.EmbedCommand>(at), thread, threads);
    case command.LINEAR:
      return linear(changetype<command.LinearCommand>(at), thread, threads);
    case command.RMSNORM:
      return rmsNorm(changetype<command.RmsNormCommand>(at), thread, threads);
    case command.ELEMENTWISE:
      return elementwise(changetype<command.ElementwiseCommand>(at), thread, threads);
    case command.LAST:
      return last(changetype<command.LastCommand>(at), thread, threads);
    case command.CONV:
      return conv(changetype<command.ConvCommand>(at), thread, threads);
    case command.SSD:
      return ssd(changetype<command.SsdCommand>(at), thread, threads);
    case command.SCAN:
      return scan(changetype<command.ScanCommand>(at), thread, threads);
    case command.LOGPROBS:
      return logProbs(changetype<command.LogProbsCommand>(at), thread, threads);
    case command.OBSERVE:
      return observe(changetype<command.ObserveCommand>(at), thread, threads);
    case command.SAMPLE:
      return sample(changetype<command.SampleCommand>(at), thread, threads);
    default:
      unreachable();
  }
}
