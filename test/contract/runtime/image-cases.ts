import { statfs } from 'node:fs/promises';
import { expect } from 'vitest';
import { errorCode } from '../../../src/lib/errors.ts';
import type { ContractCase } from './bed.ts';

export const imageCases: readonly ContractCase[] = [
  {
    title: 'an image that is present is described by name and by id',
    run: async (bed) => {
      const byName = await bed.images.imageStatus({ image: bed.under.shellImage }, bed.signal);
      expect(byName?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(byName?.size).toBeGreaterThan(100_000);
      expect(await bed.images.imageStatus({ image: byName?.id ?? '' }, bed.signal)).toEqual(byName);
      const listed = await bed.images.listImages({}, bed.signal);
      expect(listed.map((image) => image.id)).toContain(byName?.id);
      expect((await bed.images.listImages({ image: bed.under.shellImage }, bed.signal)).map((image) => image.id)).toEqual([byName?.id]);
    },
  },
  {
    title: 'the user of an image is told',
    run: async (bed) => {
      expect(await bed.images.imageStatus({ image: bed.under.nonRootImage }, bed.signal)).toMatchObject({ uid: 1234 });
      const root = await bed.images.imageStatus({ image: bed.under.shellImage }, bed.signal);
      expect([root?.uid ?? 0, root?.username ?? '']).toEqual([0, '']);
    },
  },
  {
    title: 'an absent image has no status, also when its name is the beginning of an id',
    run: async (bed) => {
      expect(await bed.images.imageStatus({ image: 'no.such.example/image:1' }, bed.signal)).toBeUndefined();
      const { id } = (await bed.images.imageStatus({ image: bed.under.shellImage }, bed.signal)) ?? { id: '' };
      expect(await bed.images.imageStatus({ image: id.slice('sha256:'.length, 24) }, bed.signal)).toBeUndefined();
      expect(await bed.images.listImages({ image: 'no.such.example/image:1' }, bed.signal)).toEqual([]);
    },
  },
  {
    title: 'a pulled image is there by tag and digest, and its containers name the digest; removed, it is gone',
    run: async (bed) => {
      const { reference, byDigest } = bed.under.openImage;
      const id = await bed.images.pullImage({ image: reference }, undefined, undefined, bed.signal);
      const image = await bed.images.imageStatus({ image: reference }, bed.signal);
      expect(image).toMatchObject({ id, repoDigests: [byDigest] });
      expect(image?.repoTags).toContain(reference);
      expect((await bed.images.imageStatus({ image: byDigest }, bed.signal))?.id).toBe(id);

      const container = await bed.create(await bed.sandbox(), 'true', { image: { image: id, userSpecifiedImage: reference } });
      const status = await bed.runtime.containerStatus(container, bed.signal);
      expect([status.imageRef, status.imageId, status.image.image]).toEqual([byDigest, id, reference]);
      await bed.runtime.removeContainer(container, bed.signal);

      await bed.images.removeImage({ image: id }, bed.signal);
      expect(await bed.images.imageStatus({ image: reference }, bed.signal)).toBeUndefined();
      await bed.images.removeImage({ image: id }, bed.signal);
    },
  },
  {
    title: 'an image is pulled by its digest',
    run: async (bed) => {
      const { byDigest } = bed.under.openImage;
      const id = await bed.images.pullImage({ image: byDigest }, undefined, undefined, bed.signal);
      expect(await bed.images.imageStatus({ image: byDigest }, bed.signal)).toMatchObject({ id, repoDigests: [byDigest] });
      await bed.images.removeImage({ image: byDigest }, bed.signal);
      expect(await bed.images.imageStatus({ image: byDigest }, bed.signal)).toBeUndefined();
    },
  },
  {
    title: 'a registry that asks for a user gets one, in either form',
    run: async (bed) => {
      const { reference, username, password } = bed.under.secretImage;
      await expect(bed.images.pullImage({ image: reference }, undefined, undefined, bed.signal)).rejects.toThrow(/auth|denied/i);
      const wrong = { username, password: 'wrong' };
      await expect(bed.images.pullImage({ image: reference }, wrong, undefined, bed.signal)).rejects.toThrow();
      const auth = Buffer.from(`${username}:${password}`).toString('base64');
      for (const credentials of [{ username, password }, { auth }]) {
        const id = await bed.images.pullImage({ image: reference }, credentials, undefined, bed.signal);
        await bed.images.removeImage({ image: id }, bed.signal);
      }
    },
  },
  {
    title: 'a pull of what does not exist fails and names it',
    run: async (bed) => {
      const reference = bed.under.openImage.reference.replace(/\/[^/]*$/, '/no-such-image:1');
      await expect(bed.images.pullImage({ image: reference }, undefined, undefined, bed.signal)).rejects.toThrow('no-such-image');
    },
  },
  {
    title: 'a pull that moves no byte is cancelled after the progress deadline',
    run: async (bed) => {
      const { host, progressDeadlineMs } = bed.under.silentRegistry;
      const began = Date.now();
      const code = await bed.images
        .pullImage({ image: `${host}/image:1` }, undefined, undefined, bed.signal)
        .then(() => undefined, errorCode);
      expect(code).toBe('DeadlineExceeded');
      expect(Date.now() - began).toBeGreaterThanOrEqual(progressDeadlineMs);
    },
  },
  {
    title: 'a pull ends with its caller',
    run: async (bed) => {
      const reason = new Error('no longer wanted');
      const control = new AbortController();
      const pull = bed.images.pullImage({ image: `${bed.under.silentRegistry.host}/image:2` }, undefined, undefined, control.signal);
      setTimeout(() => control.abort(reason), 200);
      await expect(pull).rejects.toBe(reason);
    },
  },
  {
    title: 'an image in use is not removed',
    run: async (bed) => {
      const { reference } = bed.under.openImage;
      const id = await bed.images.pullImage({ image: reference }, undefined, undefined, bed.signal);
      const container = await bed.start(await bed.sandbox(), 'sleep 60', { image: { image: id } });
      const code = await bed.images.removeImage({ image: id }, bed.signal).then(() => undefined, errorCode);
      expect(code).toBe('FailedPrecondition');
      await bed.runtime.removeContainer(container, bed.signal);
      await bed.images.removeImage({ image: id }, bed.signal);
    },
  },
  {
    title: 'a reference that is none is refused',
    run: async (bed) => {
      for (const image of ['', 'with space', '../x', 'a?b=c']) {
        const code = await bed.images.imageStatus({ image }, bed.signal).then(() => 'resolved', errorCode);
        expect(code, image).toBe('InvalidArgument');
      }
    },
  },
  {
    title: 'the file system of the images is the one that holds them',
    run: async (bed) => {
      const { imageFilesystems } = await bed.images.imageFsInfo(bed.signal);
      const [usage] = imageFilesystems;
      const { blocks, bsize } = await statfs(usage?.mountpoint ?? '', { bigint: true });
      expect(usage?.usedBytes).toBeGreaterThan(0n);
      expect(usage?.usedBytes).toBeLessThanOrEqual(blocks * bsize);
    },
  },
];
