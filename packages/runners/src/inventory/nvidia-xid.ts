/**
 * Errors that NVIDIA's driver tells the kernel log and no one else: Xid events. Most are a program's own fault; those
 * here say that the device or its driver cannot be trusted with more work (NVIDIA, "XID Errors", its catalogue).
 */
import type { KernelMessage } from './kernel-log.ts';

const unfit: Readonly<Record<number, string>> = {
  48: 'double-bit ECC error: reset the device',
  62: 'its microcontroller halted: reset the device',
  64: 'a row or page could not be remapped: reset the device',
  74: 'NVLink error: check the link, then reset the device',
  79: 'fell off the bus: restart the machine, check power and seat',
  95: 'uncontained memory error: reset the device',
  119: 'its GSP firmware does not answer: reset the device',
  120: 'its GSP firmware failed: reset the device',
  140: 'unrecovered ECC error: reset the device',
};

/** Xid 154 states what the driver wants done next; "None" takes back what was said before. */
const recoveryAction = 154;

/**
 * What speaks against the device at `busId` (`00000000:3B:00.0` as nvidia-smi writes it) since its driver was last
 * loaded; one line a code, with when it came last. Newer drivers take an error back once the device was reset.
 */
export function xidProblems(messages: readonly KernelMessage[], busId: string): readonly string[] {
  const problems = new Map<number, string>();
  for (const { at, text } of messages) {
    if (text.startsWith('NVRM: loading NVIDIA UNIX')) problems.clear();
    const event = readEvent(text);
    if (event === undefined || placeOf(event.bus) !== placeOf(busId)) continue;
    const told = (what: string): string => `Xid ${event.code} at ${at.toISOString()}: ${what}`;
    if (event.code === recoveryAction) {
      const action = /to 0x[0-9a-f]+ \(([^)]+)\)/i.exec(text)?.[1];
      if (action === 'None') problems.clear();
      else problems.set(event.code, told(`the driver asks for: ${action ?? 'recovery'}`));
      continue;
    }
    const what = unfit[event.code];
    if (what !== undefined) problems.set(event.code, told(what));
  }
  return [...problems.values()];
}

function readEvent(text: string): { readonly bus: string; readonly code: number } | undefined {
  const xid = /^NVRM: Xid \((?:PCI:)?([0-9a-f:.]+)\): (\d+)/i.exec(text);
  if (xid?.[1] !== undefined) return { bus: xid[1], code: Number(xid[2]) };
  // A device that is gone when its driver comes up is told without a number.
  const gone = /^NVRM: The NVIDIA GPU ([0-9a-f:.]+)[\s\S]*fallen off the bus/i.exec(text);
  return gone?.[1] === undefined ? undefined : { bus: gone[1], code: 79 };
}

/** Domain, bus and slot as one number each: the driver writes `0000:3b:00`, nvidia-smi `00000000:3B:00.0`. */
const placeOf = (bus: string): string =>
  bus
    .replace(/\.\d+$/, '')
    .split(':')
    .map((part) => Number.parseInt(part, 16))
    .join(':');
