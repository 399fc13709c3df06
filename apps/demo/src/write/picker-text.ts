import { words } from '../i18n/i18n.js';
import { megabytes } from './text.js';

/** The words around choosing another model. */
export const text = words({
  en: {
    other: 'Use another model',
    otherLead:
      'A Mamba or Mamba-2 checkpoint in the format of transformers or mamba_ssm: config.json, the weights, tokenizer.json. What is fetched is kept in this browser for your next visit.',
    address: 'Hub id or address of a folder',
    addressHint: 'owner/name or https://…',
    badAddress: 'Neither a hub id (owner/name) nor an address (https://…).',
    hub: 'Revision, token, another hub',
    revision: 'Revision',
    revisionHelp: 'a branch, a tag or a commit',
    token: 'Access token',
    tokenHelp: 'for private models. It goes to the hub and nowhere else, and is forgotten when you leave the page',
    endpoint: 'Address of the hub',
    endpointHelp: 'a mirror or a hub of your own',
    open: 'Open',
    folder: 'Choose a folder',
    files: 'Choose files',
    drop: 'or drop a folder or files here',
    storyteller: 'Back to the storyteller',

    kept: 'Kept in this browser',
    size: (bytes: number) => `${megabytes(bytes)} MB`,
    part: (bytes: number) => `${megabytes(bytes)} MB so far, not whole yet`,
    openKept: (name: string) => `Open ${name}, kept in this browser`,
    goOn: 'Fetch the rest',
    goOnWith: (name: string) => `Fetch the rest of ${name}`,
    remove: 'Remove',
    removeKept: (name: string) => `Remove ${name} from this browser`,
  },
  zh: {
    other: '换一个模型',
    otherLead:
      'transformers 或 mamba_ssm 格式的 Mamba、Mamba-2 检查点：config.json、权重文件和 tokenizer.json。取来的文件会保存在这个浏览器里，下次直接可用。',
    address: 'Hub 编号或文件夹网址',
    addressHint: 'owner/name 或 https://…',
    badAddress: '既不是 Hub 编号（owner/name），也不是网址（https://…）。',
    hub: '版本、令牌、其他 Hub',
    revision: '版本',
    revisionHelp: '分支、标签或提交',
    token: '访问令牌',
    tokenHelp: '用于私有模型。只发给这个 Hub，离开页面就忘掉',
    endpoint: 'Hub 的网址',
    endpointHelp: '镜像站或自己的 Hub',
    open: '打开',
    folder: '选择文件夹',
    files: '选择文件',
    drop: '也可以把文件夹或文件拖到这里',
    storyteller: '换回说书人',

    kept: '保存在这个浏览器里',
    size: (bytes) => `${megabytes(bytes)} MB`,
    part: (bytes) => `目前有 ${megabytes(bytes)} MB，还不完整`,
    openKept: (name) => `打开保存在这里的 ${name}`,
    goOn: '取完剩下的',
    goOnWith: (name) => `取完 ${name} 剩下的部分`,
    remove: '删除',
    removeKept: (name) => `从这个浏览器里删除 ${name}`,
  },
});
