import { bytesOfToken } from './bytes.js';

/** One step from tokens to text, which takes them one at a time and gives what is certain by then. */
export interface Step {
  push(token: string): string[];
  /** What was held back, once no more tokens come. */
  flush(): string[];
}

/** Changes each token by itself. */
export class MapStep implements Step {
  #index = 0;

  constructor(private readonly change: (token: string, index: number) => string) {}

  push(token: string): string[] {
    return [this.change(token, this.#index++)];
  }

  flush(): string[] {
    return [];
  }
}

/** What byte-level tokens spell: text if they are ASCII, else bytes. A token outside the byte alphabet spells itself in UTF-8. */
export class ByteSpelling {
  readonly #known = new Map<string, string | Uint8Array>();

  of(token: string): string | Uint8Array {
    let spelled = this.#known.get(token);
    if (spelled === undefined) {
      spelled = bytesOfToken(token) ?? new TextEncoder().encode(token);
      if (spelled.every((byte) => byte < 0x80)) spelled = new TextDecoder().decode(spelled);
      this.#known.set(token, spelled);
    }
    return spelled;
  }
}

/** Reads tokens as bytes, and the bytes as UTF-8; holds back an unfinished character. Invalid bytes become U+FFFD. */
export class ByteLevelStep implements Step {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #begun = false;

  constructor(private readonly spelling: ByteSpelling) {}

  push(token: string): string[] {
    const spelled = this.spelling.of(token);
    // ASCII ends whatever was begun, and needs no decoder, whose calls are dear.
    if (typeof spelled === 'string') return [this.#begun ? this.#end() + spelled : spelled];
    this.#begun = true;
    return [this.#decoder.decode(spelled, { stream: true })];
  }

  flush(): string[] {
    return [this.#end()];
  }

  #end(): string {
    this.#begun = false;
    return this.#decoder.decode();
  }
}

/**
 * Replaces runs of tokens like `<0xE2>` by the text that they spell. Whether a run is valid UTF-8 is known at its end, and if it
 * is not, each of its bytes becomes U+FFFD: so the run is held back until then.
 */
export class ByteFallbackStep implements Step {
  #run: number[] = [];

  push(token: string): string[] {
    const byte = byteOfName(token);
    if (byte === undefined) return [...this.flush(), token];
    this.#run.push(byte);
    return [];
  }

  flush(): string[] {
    const run = this.#run;
    if (run.length === 0) return [];
    this.#run = [];
    try {
      return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(run))];
    } catch {
      return run.map(() => '\ufffd');
    }
  }
}

/** Takes up to `start` and `stop` of one character from the beginning and the end of a text that comes in parts. */
export class StripEdgesStep implements Step {
  #held = 0;

  constructor(
    private readonly char: string,
    private start: number,
    private readonly stop: number,
  ) {}

  push(part: string): string[] {
    const { char } = this;
    let from = 0;
    while (this.start > 0 && part.startsWith(char, from)) {
      from += char.length;
      this.start--;
    }
    if (from < part.length) this.start = 0;
    const text = char.repeat(this.#held) + part.slice(from);
    let to = text.length;
    for (this.#held = 0; this.#held < this.stop && text.endsWith(char, to) && to > 0; this.#held++) to -= char.length;
    return [text.slice(0, to)];
  }

  flush(): string[] {
    return [];
  }
}

/** The byte that a token like `<0x0A>` names. */
export function byteOfName(token: string): number | undefined {
  const digits = /^<0x([\dA-Fa-f]{2})>$/.exec(token)?.[1];
  return digits === undefined ? undefined : parseInt(digits, 16);
}
