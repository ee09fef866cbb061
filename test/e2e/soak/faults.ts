/** A disk that can be filled and a GPU that can be lost, where this machine allows to make them. */

import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../scripts/setup.mjs';

/** A file system of its own in memory; undefined where it cannot be mounted (no root). */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  static mount(sizeMb: number): SmallDisk | undefined {
    const folder = mkdtempSync(join(tmpdir(), 'mta-soak-disk-'));
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', folder]);
    if (mount.status === 0) return new SmallDisk(folder);
    rmSync(folder, { recursive: true });
    return undefined;
  }

  /** Until not one byte more can be written. */
  fill(): void {
    const file = openSync(join(this.folder, 'filler'), 'w');
    try {
      for (const size of [1 << 20, 1 << 12]) fillWith(file, new Uint8Array(size));
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.folder, 'filler'), { force: true });
  }

  unmount(): void {
    spawnSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function fillWith(file: number, bytes: Uint8Array): void {
  try {
    while (writeSync(file, bytes) === bytes.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** The software Vulkan driver that comes with Chromium, behind one that loses its device on request. */
export class LosableGpu {
  private constructor(
    private readonly folder: string,
    /** What the environment of the inference process needs. */
    readonly environment: Readonly<Record<string, string>>,
  ) {}

  /** @returns undefined without that driver or a C compiler. */
  static build(): LosableGpu | undefined {
    const driver = '/usr/lib/chromium/libvk_swiftshader.so';
    if (!existsSync(driver)) return undefined;
    const folder = mkdtempSync(join(tmpdir(), 'mta-soak-gpu-'));
    const library = join(folder, 'lostGpu.so');
    const source = join(root, 'test', 'e2e', 'soak', 'lostGpu.c');
    if (spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source]).status !== 0) return undefined;
    const description = join(folder, 'driver.json');
    const content = { file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.0.5' } };
    writeFileSync(description, JSON.stringify(content));
    return new LosableGpu(folder, {
      VK_DRIVER_FILES: description,
      MTA_GPU_DRIVER: driver,
      MTA_GPU_LOST: join(folder, 'lost'),
    });
  }

  lose(): void {
    writeFileSync(join(this.folder, 'lost'), '');
  }

  bringBack(): void {
    rmSync(join(this.folder, 'lost'), { force: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
