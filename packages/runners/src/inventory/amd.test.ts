import { describe, expect, it } from 'vitest';
import { parseRocmSmi } from './amd.ts';

describe('rocm-smi', () => {
  it('reads model, memory and use, and passes over what it prints before', () => {
    const { devices, facts } = parseRocmSmi(
      `WARNING: AMD GPU device(s) is/are in a low-power state.\n${JSON.stringify({
        card0: {
          'GPU use (%)': '12',
          'Temperature (Sensor edge) (C)': '31.0',
          'VRAM Total Memory (B)': '21458059264',
          'VRAM Total Used Memory (B)': '27856896',
          'Card Series': 'Radeon RX 7900 XT',
          'Unique ID': '0x9246',
        },
        card1: { 'Unique ID': 'N/A', 'Card series': 'Raphael', 'VRAM Total Memory (B)': '67108864' },
        system: { 'Driver version': '6.8.5' },
      })}`,
    );
    expect(facts).toEqual({ amdDriverVersion: '6.8.5' });
    expect(devices).toMatchObject([
      {
        id: '0x9246',
        kind: 'amd',
        model: 'Radeon RX 7900 XT',
        largestFreeBytes: 21458059264 - 27856896,
        utilisationPercent: 12,
        temperatureC: 31,
      },
      { id: 'amd-1', model: 'Raphael', memoryBytes: 67108864 },
    ]);
  });

  it('finds nothing in nonsense', () => expect(parseRocmSmi('no devices').devices).toEqual([]));
});
