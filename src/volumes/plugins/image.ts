import { InvalidInputError } from '../../lib/errors.ts';
import type { PluginContext, VolumePlugin } from './plugin.ts';

/** Images as read-only volumes (KEP-4639): made present here, mounted by the runtime. */
export function createImagePlugin({ images }: PluginContext): VolumePlugin {
  return {
    async setUp({ pod, spec }, signal) {
      const { reference = '', pullPolicy } = spec.image ?? {};
      if (reference === '') throw new InvalidInputError('image volume has no reference');
      const request = { pod, volumeName: spec.name, reference, ...(pullPolicy === undefined ? {} : { pullPolicy }) };
      const { imageId } = await images.ensureImage(request, signal);
      return { mounted: { name: spec.name, hostPath: '', readOnly: true, selinuxRelabel: false, image: { imageId, reference } } };
    },
  };
}
