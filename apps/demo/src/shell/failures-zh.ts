/** What a library's failure is in Chinese, and what to do about it where that is more than its kind says. */
export interface InChinese {
  readonly message: string;
  readonly fix?: string;
}

const network = '请检查网址和网络，然后再试一次。';
const server = '请过一会儿再试；如果一直这样，是服务器上的文件有问题。';
const folder = '请选择同时含有 config.json 和权重的文件夹。';
const another = '请换回保存它时用的那个模型。';

/** What a visitor of the page can meet. */
const failures: readonly (readonly [RegExp, message: string, fix?: string])[] = [
  [/^(?<what>.+) has no config\.json$/, '$<what> 里没有 config.json。', folder],
  [/^(?<what>.+) holds no weights$/, '$<what> 里没有权重文件。', folder],
  [/^(?<what>.+) was not found$/, '找不到 $<what>。', '请把它和其他文件放在一起。'],
  [/^(?<what>.+) can't be reached$/, '连不上 $<what>。', network],
  [/^(?<what>.+): the connection broke after (?<bytes>\d+) bytes$/, '$<what>：收到 $<bytes> 字节后连接断了。', network],
  [/^(?<what>.+): the server did not send it$/, '$<what>：服务器没有给出这个文件。', server],
  [/^(?<what>.+) is not valid JSON: .+$/, '$<what> 不是有效的 JSON。'],
  [/^config\.json is of neither format$/, 'config.json 不属于 transformers 或 mamba_ssm 的格式。'],
  [
    /^(?<what>.+) is a Git LFS pointer, not the file itself$/,
    '$<what> 只是一个 Git LFS 指针，不是文件本身。',
    '请在它来的文件夹里运行 git lfs pull，或者直接下载这个文件。',
  ],
  [/^the state: .+$/, '这个文件不是保存下来的状态，或者已经损坏。', '请选择在这里保存的 .safetensors 文件。'],
  [/^this is not a saved state$/, '这个文件不是保存下来的状态。', '请选择在这里保存的 .safetensors 文件。'],
  [/^(?<what>.+\.safetensors): its .+$/, '$<what> 已损坏，或者不是权重文件。'],
  [/^the state belongs to another model$/, '这个状态属于另一个模型。', another],
];

/** A library's message in Chinese, if it is one of those that are known. */
export function inChinese(said: string): InChinese | undefined {
  for (const [pattern, message, fix] of failures) {
    if (pattern.test(said)) return { message: said.replace(pattern, message), ...(fix !== undefined && { fix }) };
  }
  return undefined;
}
