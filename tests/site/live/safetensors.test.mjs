import assert from "node:assert/strict";
import { test } from "node:test";
import { FileError, crc32, fromHalf, readHeader, readTensors } from "../../../book/live/safetensors.js";
import { bytesOf, expected } from "./fixtures.mjs";

test("all 65,536 half-precision numbers are read as NumPy reads them", () => {
  const floats = fromHalf(Uint16Array.from({ length: 65536 }, (_, i) => i));
  const bits = new Uint32Array(floats.buffer);
  const wanted = expected("halves.json");
  for (let i = 0; i < 65536; i++) {
    if (Number.isNaN(floats[i])) assert.ok(wanted[i] === null, `${i}`);
    else assert.equal(bits[i], wanted[i], `${i}`);
  }
});

test("the check sum is zlib's", () => {
  const bytes = bytesOf("mini-int8.safetensors");
  assert.equal(crc32(bytes), expected("mini-int8.json").crc32);
  bytes[bytes.length >> 1] ^= 1;
  assert.notEqual(crc32(bytes), expected("mini-int8.json").crc32);
});

test("a header that has not wholly arrived is waited for", () => {
  const bytes = bytesOf("mini-int8.safetensors");
  const { start } = readHeader(bytes);
  for (const length of [0, 7, 8, 100, start - 1]) assert.equal(readHeader(bytes.subarray(0, length)), null);
  assert.equal(readHeader(bytes.subarray(0, start)).start, start);
});

test("damaged files are refused in words", () => {
  const bytes = bytesOf("mini-int8.safetensors");
  const header = readHeader(bytes);
  assert.throws(() => readTensors(bytes.subarray(0, bytes.length - 1), header), FileError);
  assert.throws(() => readHeader(new TextEncoder().encode("<!doctype html><title>404</title>")), /not a safetensors/);
  const broken = bytes.slice();
  broken[9] = 0;
  assert.throws(() => readHeader(broken), /header of the file is damaged/);
});
