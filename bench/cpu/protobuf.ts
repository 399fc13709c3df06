/** As much of the protocol-buffer wire format as an ONNX file needs: a message is its fields, one after another. */
export type Message = readonly Uint8Array[];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

/** A whole number ≥ 0. */
export function number(field: number, value: number): Message {
  return [Uint8Array.from([...varint(field * 8), ...varint(value)])];
}

export function float(field: number, value: number): Message {
  return [Uint8Array.from([...varint(field * 8 + 5), ...new Uint8Array(Float32Array.of(value).buffer)])];
}

/** Bytes, text, or a message within the message. */
export function block(field: number, content: Message | Uint8Array | string): Message {
  const parts =
    typeof content === 'string'
      ? [new TextEncoder().encode(content)]
      : content instanceof Uint8Array
        ? [content]
        : content;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [Uint8Array.from([...varint(field * 8 + 2), ...varint(length)]), ...parts];
}

export function joined(message: Message): Uint8Array {
  const out = new Uint8Array(message.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of message) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
