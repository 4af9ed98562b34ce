/**
 * Which image formats are decoded, told by a file's first bytes. Asking here, before the decoder, keeps
 * formats out that could read other files (SVG) and makes the answer independent of the decoder's wording.
 */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "tiff" | "avif";

/** First bytes as latin-1, where `?` stands for any byte. */
const starts: readonly (readonly [format: ImageFormat, start: string])[] = [
  ["jpeg", "\xff\xd8\xff"],
  ["png", "\x89PNG\r\n\x1a\n"],
  ["gif", "GIF87a"],
  ["gif", "GIF89a"],
  ["webp", "RIFF????WEBP"],
  ["tiff", "II*\0"],
  ["tiff", "MM\0*"],
  ["avif", "????ftypavif"],
  ["avif", "????ftypavis"],
];

/** The format, or undefined when it is none that IDunno decodes. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  return starts.find(([, start]) => startsWith(bytes, start))?.[0];
}

function startsWith(bytes: Uint8Array, start: string): boolean {
  for (let i = 0; i < start.length; i += 1)
    if (start[i] !== "?" && start.charCodeAt(i) !== bytes[i]) return false;
  return true;
}
