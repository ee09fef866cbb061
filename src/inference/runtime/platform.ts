/** The platforms that ONNX Runtime has binaries for, and the explanation for others. Pure. */

export interface Platform {
  /** As Node calls them: `process.platform` and `process.arch`. */
  readonly os: string;
  readonly arch: string;
  /** The C library is musl, as on Alpine Linux; the binaries need glibc. */
  readonly isMusl: boolean;
}

const supported = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];

/** Why ONNX Runtime cannot run here, as the end of a sentence; null where it should. */
export function whyUnsupported({ os, arch, isMusl }: Platform): string | null {
  if (os === 'linux' && isMusl) return 'it has no build for Alpine Linux and other systems with musl';
  if (os === 'darwin' && arch === 'x64') return 'it has no build for Intel Macs';
  return supported.includes(`${os}-${arch}`) ? null : `it has no build for ${os} on ${arch}`;
}

/** What this process runs on. */
export function thisPlatform(): Platform {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const isMusl = process.platform === 'linux' && header.glibcVersionRuntime === undefined;
  return { os: process.platform, arch: process.arch, isMusl };
}
