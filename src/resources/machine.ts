/** What the machine is and has, read from /proc, /sys and /etc (cadvisor machine/info.go and utils/sysinfo; kubelet pkg/kubelet/cadvisor). */
import { readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export interface HugePages {
  /** Bytes of one page. */
  readonly pageSize: number;
  readonly count: number;
}

/** Does not change while the machine runs. */
export interface MachineFacts {
  /** Online logical CPUs. */
  readonly cpuCount: number;
  /** Bytes. */
  readonly memoryBytes: number;
  /** Bytes; 0 without swap. */
  readonly swapBytes: number;
  /** Smallest page first. */
  readonly hugePages: readonly HugePages[];
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** Go's names: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly operatingSystem: 'linux';
}

/** Where to read; `/` on a real machine. */
export interface HostRoot {
  readonly root: string;
}

/** Reads the facts; what a file does not tell is empty or 0, as cadvisor has it. */
export async function readMachineFacts({ root }: HostRoot = { root: '/' }): Promise<MachineFacts> {
  const read = (file: string): Promise<string> => readText(path.join(root, file));
  const [cpuInfo, memInfo, bootId] = await Promise.all([
    read('proc/cpuinfo'),
    read('proc/meminfo'),
    read('proc/sys/kernel/random/boot_id'),
  ]);
  const first = async (...files: string[]): Promise<string> => {
    for (const file of files) {
      const text = (await read(file)).trim();
      if (text !== '') return text;
    }
    return '';
  };
  return {
    cpuCount: parseCpuCount(cpuInfo) || os.availableParallelism(),
    memoryBytes: parseMemInfo(memInfo, 'MemTotal'),
    swapBytes: parseMemInfo(memInfo, 'SwapTotal'),
    hugePages: await readHugePages(path.join(root, 'sys/kernel/mm/hugepages')),
    machineId: await first('etc/machine-id', 'var/lib/dbus/machine-id'),
    systemUuid: await first('sys/class/dmi/id/product_uuid', 'proc/device-tree/system-id', 'proc/device-tree/vm,uuid', 'etc/machine-id'),
    bootId: bootId.trim(),
    kernelVersion: os.release(),
    osImage: parseOsRelease(await first('etc/os-release', 'usr/lib/os-release')),
    architecture: goArchitecture(os.arch()),
    operatingSystem: 'linux',
  };
}

/** Bytes of a line of /proc/meminfo; 0 when it is not there. */
export function parseMemInfo(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

/** The name a person knows the distribution by; `Linux` without one. */
export function parseOsRelease(text: string): string {
  const value = /^PRETTY_NAME=(.*)$/m.exec(text)?.[1]?.trim() ?? '';
  return value.replace(/^(["'])(.*)\1$/, '$2') || 'Linux';
}

function parseCpuCount(text: string): number {
  return text.match(/^processor\s*:/gm)?.length ?? 0;
}

function goArchitecture(arch: string): string {
  return arch === 'x64' ? 'amd64' : arch;
}

async function readHugePages(directory: string): Promise<HugePages[]> {
  const pages: HugePages[] = [];
  for (const name of await listNames(directory)) {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (kilobytes === undefined) continue;
    const count = Number((await readText(path.join(directory, name, 'nr_hugepages'))).trim());
    pages.push({ pageSize: Number(kilobytes) * 1024, count: Number.isFinite(count) ? count : 0 });
  }
  return pages.sort((a, b) => a.pageSize - b.pageSize);
}

/** The file's text, or nothing when it cannot be read: each of these files is missing on some machine. */
export async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

/** The directory's names, or none when it cannot be read. */
export async function listNames(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
