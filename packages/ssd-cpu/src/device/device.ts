/** Where lists of commands run. All see one linear memory by addresses, which the caller of these methods manages. */
export interface Device {
  readonly threads: number;
  /** Whether lists run while the caller goes on. */
  readonly asynchronous: boolean;
  /** How many lists have been submitted, and how many of them are done. */
  readonly submitted: number;
  readonly completed: number;
  /** Bytes that the memory can have at most. */
  readonly limit: number;
  /** Makes the memory reach up to `end`. @throws RangeError where the platform has no more */
  grow(end: number): void;
  /** Puts bytes into memory that no list in flight uses. */
  write(address: number, bytes: Uint8Array): void;
  /** Queues the list of commands that lies at `address`. */
  submit(address: number, words: number): void;
  /** A copy of memory as it is once all that was submitted is done. @throws DeviceError if the device fails before that */
  fetch(address: number, bytes: number): Promise<ArrayBuffer>;
  /** The reason once the device has failed. */
  readonly failure: Error | undefined;
  dispose(): void;
}
