import { ArgumentError, CheckpointError } from '@mamba2/core';
import { diskFile, hasFileSystem, kindOfPath } from './disk-file.js';
import { blobFile, bytesFile, type RandomAccessFile } from './file.js';
import { HttpClient, type HttpOptions } from './http-client.js';
import { httpFile } from './http-file.js';
import { type FetchProgress, hubFolder, type HubOptions, isHubId } from './hub.js';
import { quoted, shown } from './shown.js';

/** Where one file of a set is: an address, its content, or (Node) a local path. */
export type FileLocation = URL | Blob | Uint8Array | string;

/** A checkpoint's files by name, as a package that ships a model exports them. */
export interface FileSet {
  /** What messages call it. */
  readonly name: string;
  /** By relative path, with forward slashes. */
  readonly files: Readonly<Record<string, FileLocation>>;
}

/**
 * What a model can be loaded from: a hub id (`owner/name`), the path of a local folder (Node), the URL of a folder (`https:` or `file:`), the files
 * of a picker or a drop (`FileList`, `File[]`), a directory's handle, a {@link FileSet}, or a {@link Source} of one's own. Text of the form
 * `owner/name` is a hub id unless there is a local folder of that name; `./owner/name` never is.
 */
export type SourceInput = string | URL | ArrayLike<File> | FileSystemDirectoryHandle | FileSet | Source;

/** How a source is opened. */
export interface SourceOptions {
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** How a hub's model is found and kept. */
  readonly hub?: HubOptions | undefined;
  /** How files are fetched. */
  readonly http?: HttpOptions | undefined;
  /** Told what is fetched as a whole: from a hub into its cache, or because a server serves no ranges. */
  readonly onFetch?: ((progress: FetchProgress) => void) | undefined;
}

/** A folder of files, wherever it lies. */
export interface Source {
  /** What messages call it. */
  readonly name: string;
  /** Whether it is a model of a hub. */
  readonly fromHub?: boolean | undefined;
  /**
   * The file at a relative path with forward slashes. Whether it exists, its `size()` tells.
   * @throws CheckpointError when the path is absolute or leads out of the folder
   */
  file(path: string): RandomAccessFile;
  /**
   * Where files are read before all of them is here: waits until what was read is known to be right.
   * @throws CheckpointError when it was not
   */
  verified?(signal?: AbortSignal): Promise<void>;
  /**
   * Ends what is under way; files of a closed source may no longer be read.
   * @param error what reading failed with, if it did: nothing stays of what may be to blame
   */
  close(error?: unknown): void | Promise<void>;
}

/**
 * Opens a folder of files.
 * @throws CheckpointError when a local folder or a hub's model isn't there; ArgumentError for anything that is no source
 */
export async function openSource(input: SourceInput, options: SourceOptions = {}): Promise<Source> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (isSource(input)) return input;
  const closing = new AbortController();
  const lifetime = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
  const folder = await openFolder(input, lifetime, options);
  return {
    name: folder.name,
    fromHub: folder.fromHub,
    file(path) {
      lifetime.throwIfAborted();
      return folder.file(insidePath(folder.name, path));
    },
    async verified(given) {
      await folder.verified?.(given ?? signal);
    },
    async close(error) {
      closing.abort(new CheckpointError(`${folder.name} was closed`, { fix: 'load the model again' }));
      await folder.close?.(error);
    },
  };
}

/** A source without its guards. */
export type Folder = Pick<Source, 'name' | 'file' | 'fromHub' | 'verified'> & Partial<Pick<Source, 'close'>>;

async function openFolder(
  input: Exclude<SourceInput, Source>,
  lifetime: AbortSignal,
  options: SourceOptions,
): Promise<Folder> {
  const { hub = {}, http = {} } = options;
  if (typeof input === 'string' && isHubId(input) && !(await isLocalFolder(input)))
    return hubFolder(input, hub, http, lifetime, options.onFetch);
  if (hub.revision !== undefined) {
    throw new ArgumentError('revision belongs to models of a hub', {
      given: 'a source that is none',
      expected: 'a hub id, owner/name',
    });
  }
  const client = new HttpClient(http);
  const fromWeb = (name: string, url: URL) =>
    httpFile(name, url, lifetime, client, (fetched, total) => options.onFetch?.({ file: name, fetched, total }));
  if (input instanceof URL) return urlFolder(input, fromWeb);
  if (typeof input === 'string') {
    if (input === '') throw new ArgumentError('the path of a checkpoint is empty', { expected: sourceKinds });
    const place = locate(input);
    return place instanceof URL ? urlFolder(place, fromWeb) : diskFolder(place);
  }
  if (isFileSet(input)) return fileSetFolder(input, fromWeb);
  if (isDirectoryHandle(input)) return handleFolder(input);
  if (isFileList(input)) return fileListFolder(input);
  throw new ArgumentError('not something a checkpoint can be loaded from', {
    given: typeof input,
    expected: sourceKinds,
  });
}

const sourceKinds = "a hub id, a folder's path, a URL, File objects, a directory handle, or { name, files }";

async function isLocalFolder(text: string): Promise<boolean> {
  return hasFileSystem() && (await kindOfPath(text)) !== 'nothing';
}

/** Text as a URL, or as a local path. Where there is no file system, as in a page, a path is relative to the page's address. */
function locate(text: string): URL | string {
  // `https://…`, `file:///…`; one letter and a colon is a Windows drive.
  if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return parseUrl(text);
  const page = (globalThis as { location?: { href: string } }).location?.href;
  return hasFileSystem() || page === undefined ? text : parseUrl(text, page);
}

function parseUrl(text: string, base?: string): URL {
  try {
    return new URL(text, base);
  } catch (cause) {
    throw new ArgumentError('not a valid URL', { given: text.slice(0, 200), cause });
  }
}

/** A file at an address. */
type FromWeb = (name: string, url: URL) => RandomAccessFile;

async function urlFolder(url: URL, fromWeb: FromWeb): Promise<Folder> {
  if (url.protocol === 'file:') return diskFolder(url);
  const base = new URL(url);
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const resolve = (path: string) => {
    const file = new URL(encodePath(path), base);
    file.search = base.search;
    return file;
  };
  return { name: base.origin + base.pathname, file: (path) => fromWeb(shown(path), resolve(path)) };
}

async function diskFolder(folder: string | URL): Promise<Folder> {
  const name = folder instanceof URL ? folder.href : folder;
  const kind = await kindOfPath(folder);
  if (kind !== 'folder') {
    throw new CheckpointError(kind === 'file' ? `${name} is a file, not a folder` : `there is no folder ${name}`, {
      expected: 'a folder with config.json and the weights',
      fix: kind === 'file' ? 'give the folder that holds it' : 'check the path',
    });
  }
  const base = folder instanceof URL ? new URL(folder.href.replace(/\/*$/, '/')) : folder.replace(/\/+$/, '');
  return {
    name,
    file: (path) => diskFile(shown(path), base instanceof URL ? new URL(encodePath(path), base) : `${base}/${path}`),
  };
}

function fileSetFolder({ name, files }: FileSet, fromWeb: FromWeb): Folder {
  return {
    name,
    file(path) {
      const location = Object.hasOwn(files, path) ? files[path] : undefined;
      const label = shown(path);
      if (location === undefined) return missingFile(label);
      if (location instanceof Uint8Array) return bytesFile(label, location);
      if (location instanceof Blob) return blobFile(label, location);
      const place = typeof location === 'string' ? locate(location) : location;
      if (typeof place === 'string' || place.protocol === 'file:') return diskFile(label, place);
      return fromWeb(label, place);
    },
  };
}

/** Files of a picker; where they carry the path of the chosen folder (`webkitRelativePath`), the rest of it is their name. */
function fileListFolder(list: ArrayLike<File>): Folder {
  const files = new Map<string, File>();
  for (const file of Array.from(list)) {
    if (!(file instanceof Blob))
      throw new ArgumentError('not all of the chosen things are files', { given: typeof file });
    const [root, ...inside] = (file.webkitRelativePath || '').split('/');
    const path = root && inside.length > 0 ? inside.join('/') : file.name;
    if (files.has(path)) {
      throw new CheckpointError(`two of the chosen files are called ${shown(path)}`, {
        fix: "choose one checkpoint's files only",
      });
    }
    files.set(path, file);
  }
  if (files.size === 0) throw new ArgumentError('no files were chosen', { expected: 'config.json and the weights' });
  return {
    name: 'the chosen files',
    file(path) {
      const file = files.get(path);
      return file ? blobFile(shown(path), file) : missingFile(shown(path));
    },
  };
}

/** A directory that a page was given, or has of its own. */
function handleFolder(root: FileSystemDirectoryHandle): Folder {
  const find = async (path: string): Promise<File | undefined> => {
    const names = path.split('/');
    try {
      let folder = root;
      for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
      return await (await folder.getFileHandle(names.at(-1)!)).getFile();
    } catch (cause) {
      if (['NotFoundError', 'TypeMismatchError'].includes((cause as { name?: string }).name ?? '')) return undefined;
      throw new CheckpointError(`${shown(path)} can't be read`, { fix: 'allow the page to read the folder', cause });
    }
  };
  return {
    name: root.name,
    file(path) {
      const label = shown(path);
      return {
        name: label,
        async size(signal) {
          signal?.throwIfAborted();
          return (await find(path))?.size;
        },
        async read(start, end, signal) {
          const file = await find(path);
          return (file ? blobFile(label, file) : missingFile(label)).read(start, end, signal);
        },
      };
    },
  };
}

function missingFile(name: string): RandomAccessFile {
  return {
    name,
    size: async () => undefined,
    read: async () => {
      throw new CheckpointError(`${name} was not found`, { fix: 'add it to the files' });
    },
  };
}

/** Paths come from index files that anyone may have written. @throws CheckpointError unless the path stays inside its folder */
function insidePath(source: string, path: string): string {
  const segments = path.split('/');
  const odd = path.includes('\\') || path.includes('\0') || /^[a-z]:/i.test(path) || path.length > 1024;
  if (!odd && segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..')) return path;
  throw new CheckpointError(`${source}: a path leads out of the folder`, {
    given: quoted(path),
    expected: 'a relative path with forward slashes and no ".."',
  });
}

const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/');

function isSource(input: unknown): input is Source {
  return typeof (input as Partial<Source> | null)?.file === 'function';
}

function isDirectoryHandle(input: object | null): input is FileSystemDirectoryHandle {
  return typeof (input as Partial<FileSystemDirectoryHandle> | null)?.getFileHandle === 'function';
}

function isFileSet(input: object | null): input is FileSet {
  const { name, files } = (input ?? {}) as Partial<FileSet>;
  return typeof name === 'string' && typeof files === 'object' && files !== null;
}

function isFileList(input: object | null): input is ArrayLike<File> {
  const { length, 0: first } = (input ?? {}) as Partial<ArrayLike<File>>;
  return length === 0 || (typeof length === 'number' && first instanceof Blob);
}
