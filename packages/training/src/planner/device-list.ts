/** `64xH100-80GB` → sixty-four devices of one kind. */
import { type DeviceProfile, deviceProfiles } from './device-profile.ts';
import { PlanError } from './plan-error.ts';

export interface DeviceList {
  readonly count: number;
  readonly device: DeviceProfile;
}

const maxDevices = 100_000;

export function parseDeviceList(text: string): DeviceList {
  const names = deviceProfiles.map(({ name }) => name);
  const found = /^\s*(\d+)\s*[x×*]\s*(\S+)\s*$/i.exec(text);
  if (found === null)
    throw new PlanError(`"${text}" names no devices.`, `Write a count and a kind, as in 64x${names[0]}.`);
  const [, digits = '', wanted = ''] = found;
  const count = Number(digits);
  if (count < 1 || count > maxDevices)
    throw new PlanError(`${digits} devices cannot be planned for.`, `Between 1 and ${maxDevices}.`);
  const device = deviceProfiles.find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
  if (device === undefined)
    throw new PlanError(`There is no profile of a device "${wanted}".`, `Known are ${names.join(', ')}.`);
  return { count, device };
}
