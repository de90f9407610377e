// Sound in the browser: decoded for its wave, and written as a wav that every browser plays and the service reads.

const PER_SECOND = 50; // peaks

export async function decode(blob) {
  const context = new AudioContext();
  try {
    const decoded = await context.decodeAudioData(await blob.arrayBuffer());
    return { samples: decoded.getChannelData(0), rate: decoded.sampleRate };
  } finally {
    await context.close();
  }
}

// The largest absolute value of every 20 ms.
export class Peaks {
  constructor(rate) {
    this.step = rate / PER_SECOND;
    this.count = 0;
    this.values = [];
  }

  feed(samples) {
    for (const sample of samples) {
      const place = Math.floor(this.count++ / this.step);
      this.values[place] = Math.max(this.values[place] ?? 0, Math.abs(sample));
    }
    return this;
  }

  static perSecond = PER_SECOND;
}

export const asInt16 = (samples) => Int16Array.from(samples, (value) => 32767 * Math.max(-1, Math.min(1, value)));

export function asWav(pieces, rate) {
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0), header = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, place) => header.setUint8(at + place, letter.charCodeAt(0)));
  text(0, "RIFF"); header.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt ");
  header.setUint32(16, 16, true); header.setUint16(20, 1, true); header.setUint16(22, 1, true);
  header.setUint32(24, rate, true); header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true); header.setUint16(34, 16, true); text(36, "data"); header.setUint32(40, bytes, true);
  return new Blob([header, ...pieces], { type: "audio/wav" });
}

export async function microphone() {
  if (!navigator.mediaDevices) return null;
  return navigator.mediaDevices.getUserMedia({ audio: true });
}

export const silence = (stream) => stream.getTracks().forEach((track) => track.stop());
