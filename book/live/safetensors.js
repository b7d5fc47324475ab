// The file that the page downloads: one safetensors file that holds the
// weights, and in its header the configuration and the tokenizer's merges.
//
//   8 bytes   length of the header, little-endian
//   header    JSON: {"wte.weight": {dtype, shape, data_offsets}, ...}
//   data      all tensors, one after the other
//
// Written by gpt2course/course/live.py. Weights are F16, or I8 with one
// F32 scale for each row: row r of a matrix is scale[r] * integers.

/** What is wrong with a file, in words for the reader. */
export class FileError extends Error {}

const BYTES = { F32: 4, F16: 2, I8: 1 };

/** The header of a file, or null while too few bytes have arrived. */
export function readHeader(bytes) {
  if (bytes.length < 8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  if (length > 10_000_000) {
    throw new FileError("this is not a safetensors file");
  }
  if (bytes.length < 8 + length) return null;
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  try {
    const { __metadata__: metadata, ...tensors } = JSON.parse(text);
    return { start: 8 + length, metadata: metadata ?? {}, tensors };
  } catch {
    throw new FileError("the header of the file is damaged");
  }
}

/** All weights as Float32Array, by name. */
export function readTensors(bytes, header) {
  const raw = {};
  for (const [name, { dtype, shape, data_offsets }] of
    Object.entries(header.tensors)) {
    const [from, to] = data_offsets.map((offset) => header.start + offset);
    const count = shape.reduce((a, b) => a * b, 1);
    if (!(dtype in BYTES)) {
      throw new FileError(`${name} is ${dtype}, not F16, F32 or I8`);
    }
    if (to > bytes.length || to - from !== count * BYTES[dtype]) {
      throw new FileError(`the file ends in the middle of ${name}`);
    }
    // a copy begins at an address that a typed array accepts
    const data = bytes.slice(from, to).buffer;
    if (dtype === "F32") raw[name] = new Float32Array(data);
    if (dtype === "F16") raw[name] = fromHalf(new Uint16Array(data));
    if (dtype === "I8") raw[name] = new Int8Array(data);
  }
  const weights = {};
  for (const [name, values] of Object.entries(raw)) {
    if (name.endsWith(".scale")) continue;
    const scale = raw[`${name}.scale`];
    weights[name] = scale ? fromRows(values, scale) : values;
  }
  return weights;
}

/** 16-bit floats to 32-bit floats: 1 sign, 5 exponent, 10 fraction bits. */
export function fromHalf(halves) {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const sign = halves[i] & 0x8000 ? -1 : 1;
    const exponent = (halves[i] >> 10) & 0x1f;
    const fraction = halves[i] & 0x3ff;
    if (exponent === 0) floats[i] = sign * fraction * 2 ** -24;
    else if (exponent < 31) {
      floats[i] = sign * (1024 + fraction) * POWERS[exponent];
    } else floats[i] = fraction ? NaN : sign * Infinity;
  }
  return floats;
}
const POWERS = Array.from({ length: 31 }, (_, e) => 2 ** (e - 25));

/** Integers times the scale of their row. */
function fromRows(integers, scale) {
  const floats = new Float32Array(integers.length);
  const width = integers.length / scale.length;
  for (let i = 0; i < floats.length; i++) {
    floats[i] = integers[i] * scale[Math.floor(i / width)];
  }
  return floats;
}

/** The check sum of a file (CRC-32, as Python's zlib.crc32 gives it). */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ CRC[(crc ^ bytes[i]) & 0xff];
  }
  return (crc ^ 0xffffffff) >>> 0;
}
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) {
    byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  }
  return byte;
});
