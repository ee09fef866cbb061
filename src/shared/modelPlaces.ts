/** Where programs keep the models that they download, as their environment variables and defaults say. Pure. */

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The home folder. */
  readonly home: string;
  readonly platform: string;
  readonly join: (...parts: string[]) => string;
}

/** The folder of Hugging Face's programs, with the token and the cache. */
export function huggingFaceHome({ env, home, join }: Surroundings): string {
  const cache = env['XDG_CACHE_HOME'] ? expanded(env['XDG_CACHE_HOME'], home, join) : join(home, '.cache');
  return env['HF_HOME'] ? expanded(env['HF_HOME'], home, join) : join(cache, 'huggingface');
}

/** The cache of repositories that Python's `huggingface_hub` and the programs built on it share. */
export function huggingFaceCache(surroundings: Surroundings): string {
  const { env, home, join } = surroundings;
  const named = env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'];
  return named ? expanded(named, home, join) : join(huggingFaceHome(surroundings), 'hub');
}

/** The file with the token that `hf auth login` writes. */
export function huggingFaceTokenFile(surroundings: Surroundings): string {
  const { env, home, join } = surroundings;
  const named = env['HF_TOKEN_PATH'];
  return named ? expanded(named, home, join) : join(huggingFaceHome(surroundings), 'token');
}

/** Ollama's stores: the one that is named, else the user's and that of the service on Linux. */
export function ollamaStores({ env, home, platform, join }: Surroundings): string[] {
  if (env['OLLAMA_MODELS']) return [expanded(env['OLLAMA_MODELS'], home, join)];
  const service = platform === 'linux' ? [join('/usr', 'share', 'ollama', '.ollama', 'models')] : [];
  return [join(home, '.ollama', 'models'), ...service];
}

/** LM Studio's folder and the one that its earlier versions had. */
export function lmStudioFolders({ home, join }: Surroundings): string[] {
  return [join(home, '.lmstudio', 'models'), join(home, '.cache', 'lm-studio', 'models')];
}

/** llama.cpp's own folder; its newer versions use Hugging Face's cache. */
export function llamaCppFolder({ env, home, platform, join }: Surroundings): string {
  if (env['LLAMA_CACHE']) return expanded(env['LLAMA_CACHE'], home, join);
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'llama.cpp');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'llama.cpp');
  return join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'llama.cpp');
}

/** Python expands `~` and so do shells; a value from elsewhere may have it still. */
function expanded(path: string, home: string, join: Surroundings['join']): string {
  return path === '~' || /^~[\\/]/.test(path) ? join(home, path.slice(1)) : path;
}
