/**
 * A name from a file as messages show it: itself where it is short and plain, otherwise quoted, escaped and cut, so that no file can fill a
 * terminal or steer it.
 */
export function shown(name: string): string {
  return /^[\w.+/ -]{1,120}$/.test(name) ? name : quoted(name);
}

/** Text from a file in quotes, escaped, and cut after 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text).replace(/\p{Cc}/gu, escaped);
}

/** An engine's message, which may quote a file, on one line. */
export function onOneLine(message: string): string {
  return message.replace(/\s+/g, ' ').replace(/\p{Cc}/gu, escaped);
}

const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
