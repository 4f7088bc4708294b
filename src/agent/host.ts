/** What this machine is and lets us do, read once at the start. */
import { mkdir } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import type { Logger } from '../lib/log.ts';
import { nodeCgroupLimits, nodeResources } from '../resources/allocatable.ts';
import { agreedCgroupDriver, PodCgroups } from '../resources/cgroups/pod-cgroups.ts';
import { readHierarchy, type CgroupHierarchy } from '../resources/cgroups/hierarchy.ts';
import { runCommand } from '../resources/cgroups/slices.ts';
import { readFilesystem } from '../resources/filesystem.ts';
import { probeHost, type HostCapabilities } from '../resources/host-capabilities.ts';
import { checkHostRequirements, setOwnOomScoreAdj } from '../resources/host-requirements.ts';
import { readMachineFacts, type MachineFacts } from '../resources/machine.ts';
import type { Clock } from '../lib/clock.ts';
import type { RuntimeService } from '../runtime/types.ts';
import { allocatableSettings, type Directories } from './settings.ts';

export interface Host {
  readonly machine: MachineFacts;
  readonly hierarchy: CgroupHierarchy | undefined;
  readonly capabilities: HostCapabilities;
  /** Bytes of the file system of the root directory. */
  readonly storageBytes: number;
}

/**
 * Makes the directories and looks around; each limitation of the host is logged once.
 * @throws FailedPreconditionError when the machine is not what the configuration demands
 */
export async function readHost({ kubelet }: Config, paths: Directories, log: Logger): Promise<Host> {
  for (const directory of [paths.root, paths.pods]) await mkdir(directory, { recursive: true, mode: 0o750 });
  for (const directory of [paths.podLogs, paths.containerLogs]) await mkdir(directory, { recursive: true, mode: 0o755 });
  const hierarchy = await readHierarchy();
  const capabilities = await probeHost(hierarchy, process.getuid?.() ?? 0);
  for (const limitation of capabilities.limitations) log.warn(limitation);
  const [machine, { capacityBytes: storageBytes }] = await Promise.all([readMachineFacts(), readFilesystem(paths.root)]);
  checkHostRequirements(kubelet, machine, capabilities);
  const complaint = await setOwnOomScoreAdj(Math.max(kubelet.oomScoreAdj, capabilities.oomScoreAdjFloor));
  if (complaint !== undefined) log.warn(complaint);
  return { machine, hierarchy, capabilities, storageBytes };
}

export function createPodCgroups(config: Config, host: Host, runtime: RuntimeService, clock: Clock, log: Logger): PodCgroups {
  const { kubelet } = config;
  const { machine, capabilities, hierarchy } = host;
  const allocatable = allocatableSettings(config);
  return new PodCgroups({
    settings: {
      cgroupsPerQos: kubelet.cgroupsPerQOS,
      cgroupRoot: kubelet.cgroupRoot,
      nodeLimits: nodeCgroupLimits(
        nodeResources(machine, host.storageBytes, allocatable),
        allocatable,
        kubelet.enforceNodeAllocatable.includes('pods'),
      ),
      podPidsLimit: kubelet.podPidsLimit,
      cpuCfsQuota: kubelet.cpuCFSQuota,
      cpuCfsQuotaPeriodMs: kubelet.cpuCFSQuotaPeriod,
      swapBehavior: kubelet.memorySwap.swapBehavior,
    },
    facts: {
      memoryBytes: machine.memoryBytes,
      swapBytes: machine.swapBytes,
      cgroupVersion: capabilities.cgroupVersion === 2 ? 2 : 1,
      swapController: capabilities.swapController,
      hugePageSizes: machine.hugePages.map(({ pageSize }) => pageSize),
      oomScoreAdjFloor: capabilities.oomScoreAdjFloor,
    },
    hierarchy,
    writable: capabilities.cgroupsWritable,
    driver: async (signal) => agreedCgroupDriver(kubelet.cgroupDriver, (await runtime.runtimeConfig(signal)).cgroupDriver),
    runCommand,
    clock,
    log,
  });
}
