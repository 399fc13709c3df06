/** One dispatch and how long it took by the device's own clock. */
export interface KernelTime {
  readonly kernel: string;
  /** Workgroups along each axis, which tell launches of one kernel apart. */
  readonly grid: string;
  readonly micros: number;
}

/** Dispatches that one query set holds. */
const MOST = 2048;

/**
 * An adapter whose devices time every dispatch by itself, in a pass of its own with timestamps before and after: what each kernel of an operation
 * costs. Passes add some µs each and forbid overlap, so the sum is more than the whole takes. `times` waits for what was submitted since it was last
 * asked. Wants `timestamp-query`, and Dawn's timestamps unrounded: `disable-dawn-features=timestamp_quantization`.
 */
export function timedAdapter(adapter: GPUAdapter): { adapter: GPUAdapter; times: () => Promise<KernelTime[]> } {
  let pending: Promise<KernelTime[]>[] = [];
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await requestDevice(descriptor);
    const createCommandEncoder = device.createCommandEncoder.bind(device);
    device.createCommandEncoder = (given) => timedEncoder(device, createCommandEncoder(given), (t) => pending.push(t));
    return device;
  };
  return {
    adapter,
    times: async () => {
      const all = await Promise.all(pending);
      pending = [];
      return all.flat();
    },
  };
}

function timedEncoder(
  device: GPUDevice,
  encoder: GPUCommandEncoder,
  keep: (times: Promise<KernelTime[]>) => void,
): GPUCommandEncoder {
  const kernels: Omit<KernelTime, 'micros'>[] = [];
  const set = device.createQuerySet({ type: 'timestamp', count: 2 * MOST });
  const beginComputePass = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = () => {
    let pipeline: GPUComputePipeline | undefined;
    let bind: [number, GPUBindGroup, readonly number[]] | undefined;
    return {
      setPipeline: (given: GPUComputePipeline) => void (pipeline = given),
      setBindGroup: (index: number, group: GPUBindGroup, offsets: readonly number[]) =>
        void (bind = [index, group, offsets]),
      dispatchWorkgroups: (...grid: [number, number, number]) => {
        const timed = kernels.length < MOST;
        const at = 2 * kernels.length;
        const pass = beginComputePass(
          timed
            ? { timestampWrites: { querySet: set, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } }
            : {},
        );
        if (timed) kernels.push({ kernel: /^[a-z0-9-]+/.exec(pipeline!.label)![0], grid: grid.join(' × ') });
        pass.setPipeline(pipeline!);
        pass.setBindGroup(bind![0], bind![1], bind![2]);
        pass.dispatchWorkgroups(...grid);
        pass.end();
      },
      end: () => {},
    } as unknown as GPUComputePassEncoder;
  };
  const finish = encoder.finish.bind(encoder);
  encoder.finish = (given) => {
    const count = 2 * kernels.length;
    if (count === 0) return finish(given);
    const bytes = 8 * count;
    const resolved = device.createBuffer({ size: bytes, usage: 0x200 | 0x04 });
    const mapped = device.createBuffer({ size: bytes, usage: 0x01 | 0x08 });
    encoder.resolveQuerySet(set, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, mapped, 0, bytes);
    const commands = finish(given);
    keep(
      // Mapping waits for the submission, which is still to come.
      Promise.resolve().then(async () => {
        await mapped.mapAsync(1);
        const stamps = new BigUint64Array(mapped.getMappedRange().slice(0));
        mapped.destroy();
        resolved.destroy();
        set.destroy();
        return kernels.map((kernel, i) => ({ ...kernel, micros: Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e3 }));
      }),
    );
    return commands;
  };
  return encoder;
}
