import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { errorCode } from '../../../src/lib/errors.ts';
import { podNamespaces, type ContractCase } from './bed.ts';

const rejectionCode = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'resolved', errorCode);
const CAP_NET_ADMIN = 12n;
const CAP_CHOWN = 0n;
/** Up to CAP_AUDIT_READ: the later ones are unknown to runtimes of 2020. */
const OLD_CAPABILITIES = (1n << 38n) - 1n;

export const containerConfigCases: readonly ContractCase[] = [
  {
    title: 'command, arguments, working directory and environment are as given',
    run: async (bed) => {
      const output = await bed.output(await bed.sandbox(), '', {
        command: ['sh', '-c', 'echo "$0 $1"; pwd; echo "$A|$B|$EMPTY|$TWICE"'],
        args: ['first', 'second arg'],
        workingDir: '/tmp',
        envs: [
          { key: 'A', value: 'x=y' },
          { key: 'B', value: 'two words' },
          { key: 'EMPTY', value: '' },
          { key: 'TWICE', value: 'old' },
          { key: 'TWICE', value: 'new' },
        ],
      });
      expect(output).toBe('first second arg\n/tmp\nx=y|two words||new');
    },
  },
  {
    title: 'user, group and supplemental groups are as given',
    run: async (bed) => {
      const securityContext = { runAsUser: 1001, runAsGroup: 1002, supplementalGroups: [1003, 1004] };
      const output = await bed.output(await bed.sandbox(), 'id -u; id -g; id -G', { linux: { securityContext } });
      const [uid, gid, groups = ''] = output.split('\n');
      expect([uid, gid]).toEqual(['1001', '1002']);
      expect(groups.split(' ')).toEqual(expect.arrayContaining(['1002', '1003', '1004']));
    },
  },
  {
    title: 'without a user the image decides',
    run: async (bed) => {
      expect(await bed.output(await bed.sandbox(), 'id -u', { image: { image: bed.under.nonRootImage } })).toBe('1234');
    },
  },
  {
    title: 'a group without a user is refused',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      expect(await rejectionCode(bed.create(sandbox, 'id', { linux: { securityContext: { runAsGroup: 5 } } }))).toBe('InvalidArgument');
    },
  },
  {
    title: 'capabilities are added and dropped',
    run: async (bed) => {
      const capabilities = { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['CHOWN'] };
      const output = await bed.output(await bed.sandbox(), 'grep CapEff /proc/self/status', {
        linux: { securityContext: { capabilities } },
      });
      const effective = BigInt(`0x${output.split(/\s+/)[1] ?? '0'}`);
      expect((effective >> CAP_NET_ADMIN) & 1n).toBe(1n);
      expect((effective >> CAP_CHOWN) & 1n).toBe(0n);
    },
  },
  {
    title: 'a privileged container starts, with every capability and device that this machine has to give',
    run: async (bed) => {
      const script =
        'grep CapEff /proc/self/status; ls /dev/kmsg; mount -t tmpfs none /tmp && echo mounted; echo test >/proc/sys/kernel/domainname && echo set';
      const output = await bed.output(await bed.sandbox(), script, { linux: { securityContext: { privileged: true } } });
      const effective = BigInt(`0x${output.split(/\s+/)[1] ?? '0'}`);
      const own = BigInt(`0x${/CapBnd:\s*(\w+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
      expect(effective & own & OLD_CAPABILITIES).toBe(own & OLD_CAPABILITIES);
      expect(output.split('\n').slice(1)).toEqual(['/dev/kmsg', 'mounted', 'set']);
    },
  },
  {
    title: 'a capability that this machine withholds does not keep a container from starting',
    run: async (bed) => {
      const capabilities = { addCapabilities: ['SYS_RESOURCE', 'NET_ADMIN'], dropCapabilities: [] };
      const output = await bed.output(await bed.sandbox(), 'grep CapEff /proc/self/status', {
        linux: { securityContext: { capabilities } },
      });
      expect((BigInt(`0x${output.split(/\s+/)[1] ?? '0'}`) >> CAP_NET_ADMIN) & 1n).toBe(1n);
    },
  },
  {
    title: 'a read-only root file system, no new privileges and seccomp hold',
    run: async (bed) => {
      const script = 'touch /x 2>/dev/null && echo writable || echo readonly; grep -E "NoNewPrivs|Seccomp:" /proc/self/status';
      const sandbox = await bed.sandbox();
      const strict = await bed.output(sandbox, script, { linux: { securityContext: { readonlyRootfs: true, noNewPrivs: true } } });
      expect(strict.split(/\s+/)).toEqual(['readonly', 'NoNewPrivs:', '1', 'Seccomp:', '2']);
      const open = await bed.output(sandbox, script, { linux: { securityContext: { seccomp: { type: 'Unconfined' } } } });
      expect(open.split(/\s+/)).toEqual(['writable', 'NoNewPrivs:', '0', 'Seccomp:', '0']);
    },
  },
  {
    title: 'a seccomp profile of the host is applied, and a missing one refused',
    run: async (bed) => {
      const profile = path.join(bed.under.workDirectory, 'no-mkdir.json');
      const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }];
      await writeFile(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
      const sandbox = await bed.sandbox();
      const seccomp = { type: 'Localhost', localhostRef: profile } as const;
      expect(await bed.output(sandbox, 'mkdir /tmp/d 2>/dev/null; echo $?', { linux: { securityContext: { seccomp } } })).toBe('1');
      const missing = { type: 'Localhost', localhostRef: `${profile}.gone` } as const;
      expect(await rejectionCode(bed.create(sandbox, 'true', { linux: { securityContext: { seccomp: missing } } }))).not.toBe('resolved');
    },
  },
  {
    title: 'masked and read-only paths are those given',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const script = 'head -c 1 /proc/timer_list | wc -c; echo 1 2>/dev/null >/proc/sys/kernel/domainname && echo w || echo r';
      const closed = { maskedPaths: ['/proc/timer_list'], readonlyPaths: ['/proc/sys'] };
      expect(await bed.output(sandbox, script, { linux: { securityContext: closed } })).toBe('0\nr');
    },
  },
  {
    title: 'mounts are read-only or not as asked, and missing directories are made',
    run: async (bed) => {
      const directory = await mkdtemp(path.join(bed.under.workDirectory, 'mount-'));
      await writeFile(path.join(directory, 'file'), 'from the host\n');
      const mount = { readonly: false, selinuxRelabel: false, propagation: 'private' } as const;
      const output = await bed.output(
        await bed.sandbox(),
        'cat /ro/file; touch /ro/x 2>/dev/null || echo readonly; echo back >/rw/answer; ls -d /new',
        {
          mounts: [
            { ...mount, containerPath: '/ro', hostPath: directory, readonly: true },
            { ...mount, containerPath: '/rw', hostPath: directory },
            { ...mount, containerPath: '/new', hostPath: path.join(directory, 'made/by:the runtime') },
          ],
        },
      );
      expect(output).toBe('from the host\nreadonly\n/new');
      expect(await readFile(path.join(directory, 'answer'), 'utf8')).toBe('back\n');
    },
  },
  {
    title: 'the status tells the mounts',
    run: async (bed) => {
      const directory = path.join(bed.under.workDirectory, 'told');
      await mkdir(directory, { recursive: true });
      const mount = { containerPath: '/m', hostPath: directory, readonly: true, selinuxRelabel: false, propagation: 'private' } as const;
      const id = await bed.create(await bed.sandbox(), 'true', { mounts: [mount] });
      expect((await bed.runtime.containerStatus(id, bed.signal)).mounts).toContainEqual(mount);
    },
  },
  {
    title: 'devices are there with the permissions given',
    run: async (bed) => {
      const devices = [{ containerPath: '/dev/mine', hostPath: '/dev/null', permissions: 'r' }];
      const output = await bed.output(await bed.sandbox(), 'cat /dev/mine && echo read; echo x 2>/dev/null >/dev/mine || echo denied', {
        devices,
      });
      expect(output).toContain('read');
    },
  },
  {
    title: 'resources reach the cgroup',
    run: async (bed) => {
      const resources = { memoryLimitInBytes: 64 * 1024 * 1024, cpuShares: 102, cpuPeriod: 100_000, cpuQuota: 20_000 };
      const script = [
        'if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then cd /sys/fs/cgroup',
        'cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares',
        'else cd /sys/fs/cgroup; cat memory.max; cut -d" " -f1 cpu.max; echo 102; fi',
      ].join('\n');
      expect(await bed.output(await bed.sandbox(), script, { linux: { resources } })).toBe(`${String(64 * 1024 * 1024)}\n20000\n102`);
    },
  },
  {
    title: 'an oom_score_adj is given, or the nearest that this machine allows',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      expect(await bed.output(sandbox, 'cat /proc/self/oom_score_adj', { linux: { resources: { oomScoreAdj: 905 } } })).toBe('905');
      const low = Number(await bed.output(sandbox, 'cat /proc/self/oom_score_adj', { linux: { resources: { oomScoreAdj: -997 } } }));
      expect(low).toBeLessThanOrEqual(0);
    },
  },
  {
    title: 'PID namespaces are the container’s own, the pod’s, another container’s or the host’s',
    run: async (bed) => {
      const sandbox = await bed.sandbox({ linux: { securityContext: { namespaceOptions: { ...podNamespaces, pid: 'pod' } } } });
      const other = await bed.start(sandbox, 'exec sleep 4321', { metadata: { name: 'other', attempt: 0 } });
      const ps = async (namespaceOptions: Partial<typeof podNamespaces>): Promise<string> =>
        bed.output(sandbox, 'echo $$; ps -o args', {
          linux: { securityContext: { namespaceOptions: { ...podNamespaces, ...namespaceOptions } } },
        });
      expect((await ps({})).split('\n')[0]).toBe('1');
      expect(await ps({ pid: 'pod' })).toContain('pause');
      expect(await ps({ pid: 'target', targetId: other })).toContain('sleep 4321');
      expect(await ps({ pid: 'node' })).toContain('sleep 4321');
    },
  },
  {
    title: 'containers of a sandbox share its IPC namespace',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      await bed.output(sandbox, 'echo shared >/dev/shm/file');
      expect(await bed.output(sandbox, 'cat /dev/shm/file')).toBe('shared');
    },
  },
  {
    title: 'what cannot be given is refused by its name, not forgotten',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const userns = { mode: 'pod' } as const;
      const create = bed.create(sandbox, 'true', { linux: { securityContext: { namespaceOptions: { ...podNamespaces, userns } } } });
      await expect(create).rejects.toThrow(/user namespaces/i);
    },
  },
];
