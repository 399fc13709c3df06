// What a piece of each operation is.

import { advance, append, attend } from './attention';
import * as command from './commands';
import { conv } from './conv';
import { copy, elementwise, embed, last, zero } from './dense';
import { arrange, quantise } from './formats';
import { matrixProduct } from './matrix-product';
import { layerNorm, rmsNorm } from './norm';
import { logProbs, observe, sample } from './sample';
import { scan } from './scan';
import { ssdChunks, ssdSteps } from './ssd';
import { chunkProducts } from './ssd-chunk';
import { narrowVector, vectorProduct } from './vector-product';

/** Units begin … end of a part of the command at `at`. */
export function perform(operation: u32, at: usize, part: u32, begin: u32, end: u32, thread: u32): void {
  switch (operation) {
    case command.ZERO:
      return zero(changetype<command.ZeroCommand>(at), begin, end);
    case command.COPY:
      return copy(changetype<command.CopyCommand>(at), begin, end);
    case command.QUANTISE:
      return quantise(changetype<command.QuantiseCommand>(at), begin, end);
    case command.ARRANGE:
      return arrange(changetype<command.ArrangeCommand>(at), begin, end);
    case command.EMBED:
      return embed(changetype<command.EmbedCommand>(at), begin, end, thread);
    case command.LINEAR: {
      const c = changetype<command.LinearCommand>(at);
      if (c.count > 1) return matrixProduct(c, begin, end, thread);
      return part == 0 ? narrowVector(c) : vectorProduct(c, begin, end);
    }
    case command.RMSNORM:
      return rmsNorm(changetype<command.RmsNormCommand>(at), begin, end);
    case command.LAYERNORM:
      return layerNorm(changetype<command.LayerNormCommand>(at), begin, end);
    case command.ELEMENTWISE:
      return elementwise(changetype<command.ElementwiseCommand>(at), begin, end);
    case command.LAST:
      return last(changetype<command.LastCommand>(at), begin, end);
    case command.CONV: {
      const c = changetype<command.ConvCommand>(at);
      return conv(c, begin << 2, min(end << 2, c.k));
    }
    case command.SSD: {
      const c = changetype<command.SsdCommand>(at);
      if (c.products == 0) return ssdSteps(c, begin, end, thread);
      return part == 0 ? chunkProducts(c, begin, end, thread) : ssdChunks(c, begin, end, thread);
    }
    case command.SCAN: {
      const c = changetype<command.ScanCommand>(at);
      return scan(c, begin << 2, min(end << 2, c.d), thread);
    }
    case command.ATTENTION: {
      const c = changetype<command.AttentionCommand>(at);
      return part == 0 ? append(c, begin, end) : part == 1 ? attend(c, begin, end, thread) : advance(c);
    }
    case command.LOGPROBS:
      return logProbs(changetype<command.LogProbsCommand>(at), begin, end);
    case command.OBSERVE:
      return observe(changetype<command.ObserveCommand>(at), begin, end);
    case command.SAMPLE:
      return sample(changetype<command.SampleCommand>(at), begin, end, thread);
    default:
      unreachable();
  }
}
